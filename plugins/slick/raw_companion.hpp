#pragma once

#include <cstdint>
#include <string>

#include <sluice/shm/kill_point.hpp>
#include <sluice/slick/segment.hpp>

#include "slick/raw_options.hpp"
#include "slick/topic_file.hpp"

namespace sluice::slick {

/// What the Sluice endpoints of one SlickQueue segment know of each other and foreign programs do not: a topic's file
/// in the domain's directory, named after the segment's inode, so that a segment that was removed and made anew has
/// another one. README.md, "The companion".
///
/// Who writes what, beside what TopicFile and its tables say:
///  - a writer: `grant` in its entry, after the grant and before anything else; reliable: the stamp of the cell at a
///    message's index, before it is published;
///  - whoever finds a dead writer: its last position's slots in the segment (Ring::fill_hole), under its lock byte;
///  - whoever notices a foreign producer: `foreign_producer`, from 0 to 1.
class Companion {
 public:
  /// Throws Error, as TopicFile does.
  Companion(const TopicSpec& spec, const RawOptions& options, const TransportContext& context, const Segment& segment);

  [[nodiscard]] TopicFile& file() noexcept { return file_; }
  [[nodiscard]] const TopicFile& file() const noexcept { return file_; }

  /// Whether publishers wait for readers: asked for, and no foreign producer was noticed.
  [[nodiscard]] bool reliable() const noexcept {
    return file_.reliable() && file_.control().foreign_producer.load_relaxed() == 0;
  }

  /// Writes down that somebody produces who waits for nobody, and tells this endpoint's user (once).
  void found_foreign_producer(const std::string& evidence) noexcept;

  /// Tells this endpoint's user, once, when another endpoint has found a foreign producer.
  void look_for_news() noexcept {
    if (file_.reliable() && !told_ && !reliable()) tell("another Sluice process noticed it");
  }

  /// Marks the message at `index` as one of ours; reliable only.
  void mark(std::uint64_t index) noexcept { file_.cell(index).stamp.store_relaxed(stamp_message(index)); }

  /// Asks for the line of a mark to come, which readers have; as Ring does for slots and elements.
  void prefetch_mark(std::uint64_t index) noexcept { shm::prefetch_for_writing(&file_.cell(index).stamp); }

  /// Whether the message at `index` was marked; the caller has seen its publication.
  [[nodiscard]] bool is_ours(std::uint64_t index) const noexcept {
    return file_.cell(index).stamp.load_relaxed() == stamp_message(index);
  }

  /// Whose a reserved, unpublished position is.
  enum class Owner {
    unknown,  ///< A foreign producer's; or best_effort, of a Sluice one that died in the instant of the grant.
    living,   ///< A Sluice producer's, at work or stopped.
    dead,     ///< A dead Sluice producer's; what could be repaired was.
  };

  /// Finds the owner of the position at which a reader waits. A dead one's hole is repaired in the segment, so that
  /// foreign readers pass it too, and its entry freed.
  [[nodiscard]] Owner settle(Ring& ring, std::uint64_t position) noexcept;

  /// Repairs what the dead last owner of a writer entry left. The caller holds the entry's lock byte.
  void settle_dead_writer(Ring& ring, WriterEntry& entry) noexcept;

 private:
  void tell(const std::string& evidence) noexcept;

  TopicFile file_;
  std::string topic_;
  std::string segment_;
  std::function<void(const TransportEvent&)> report_;
  bool told_ = false;
};

/// The companion of the segment that is this file, in the domain's directory.
[[nodiscard]] std::string companion_name(std::uint64_t device, std::uint64_t inode);

/// What the companion of a segment of `capacity` elements is asked to be. The tables are those of every topic's file.
/// There are cells, as many as slots, only where messages are marked.
[[nodiscard]] TopicSpec companion_spec(const TopicSpec& spec, std::uint32_t capacity);

/// A writer's entry before its first grant: no grant is of 0 elements.
inline constexpr std::uint64_t kNoGrant = 0;

}  // namespace sluice::slick
