#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/segment.hpp>
#include <sluice/topic_spec.hpp>
#include <sluice/transport.hpp>

#include "slick/topic_geometry.hpp"

namespace sluice::slick {

/// domain directory + topic name -> path: "/imu/raw" -> "DIR/imu.raw.topic" ('.' cannot be part of a name).
[[nodiscard]] std::string topic_path(const std::string& directory, const std::string& topic);

/// One endpoint's hold on a topic file: the mapping, a lock description of its own, and the shared lifetime lock.
///
/// Lifetime: every endpoint holds kLifetimeByte shared. The last one out takes it exclusively, checks that the name
/// still means this file, and unlinks it. A joiner that could take it exclusively found a dead topic's leftover: it
/// unlinks it and starts over, as does a joiner that finds its file unlinked. Dying at any point leaves at most a
/// leftover.
class TopicFile {
 public:
  /// Opens or creates the file of a topic's name. Throws Error.
  [[nodiscard]] static TopicFile open(const TopicSpec& spec, const TopicOptions& options,
                                      const TransportContext& context) {
    return open_at(topic_path(context.directory, spec.name), spec, options, context);
  }

  /// As open, for a file of another name in the domain's directory.
  [[nodiscard]] static TopicFile open_at(const std::string& path, const TopicSpec& spec, const TopicOptions& options,
                                         const TransportContext& context);

  /// Maps the file at `path` read-only, without a lock: nobody knows of it. Nothing when there is none. Throws Error
  /// when it cannot be used. `what` is for errors.
  [[nodiscard]] static std::optional<TopicFile> look_at(const std::string& path, const std::string& what);

  TopicFile(TopicFile&&) noexcept = default;
  TopicFile& operator=(TopicFile&&) = delete;
  ~TopicFile();

  [[nodiscard]] const TopicGeometry& geometry() const noexcept { return geometry_; }
  [[nodiscard]] const TopicHeader& header() const noexcept { return *mapping_.at<TopicHeader>(0); }
  [[nodiscard]] TopicControl& control() const noexcept { return *mapping_.at<TopicControl>(kPage); }
  [[nodiscard]] ReaderEntry& reader(std::uint32_t k) const noexcept {
    return *mapping_.at<ReaderEntry>(geometry_.readers_offset + k * sizeof(ReaderEntry));
  }
  [[nodiscard]] WriterEntry& writer(std::uint32_t k) const noexcept {
    return *mapping_.at<WriterEntry>(geometry_.writers_offset + k * sizeof(WriterEntry));
  }
  /// Entries that may be in use: never more than there are, whatever the file says.
  [[nodiscard]] std::uint32_t reader_entries() const noexcept {
    return std::min(control().reader_entries.load_acquire(), geometry_.max_readers);
  }
  [[nodiscard]] std::uint32_t writer_entries() const noexcept {
    return std::min(control().writer_entries.load_acquire(), geometry_.max_writers);
  }
  [[nodiscard]] std::uint32_t group_entries() const noexcept {
    return std::min(control().group_entries.load_acquire(), geometry_.max_groups);
  }
  [[nodiscard]] Cell& cell(std::uint64_t position) const noexcept {
    return *mapping_.at<Cell>(geometry_.ring_offset + (position & geometry_.mask) * geometry_.cell_stride);
  }

  /// Whether the horizon is at most `distance` beyond `position`; with capacity: whether everything read so far from
  /// the position's cell belongs to it. The caller's loads came before; SYNC horizon→data: the acquire fence pairs with
  /// the release fence between a producer's load of the horizon and its stores, so reading anything of a later lap
  /// means finding the horizon beyond position + capacity here.
  [[nodiscard]] bool horizon_within(std::uint64_t position, std::uint64_t distance) const noexcept {
    shm::fence_acquire();
    return control().horizon.load_relaxed() <= position + distance;
  }

  /// Whether a reader that is at `position` has something to do there: a message, a jump, or it was lapped. A stamp
  /// beyond `reserved` was written by none of us, and is no reason to stay awake.
  [[nodiscard]] bool has_something_at(std::uint64_t position) const noexcept {
    return cell(position).stamp.load_acquire() >= stamp_message(position) &&
           control().reserved.load_acquire() > position;
  }

  [[nodiscard]] static std::byte* payload(Cell& cell) noexcept {
    return reinterpret_cast<std::byte*>(&cell) + kCellHeader;
  }

  /// The hold words of a reader entry: 0, or the number of a chunk plus 1.
  [[nodiscard]] std::span<shm::SharedAtomic<std::uint32_t>> holds(std::uint32_t reader) const noexcept {
    return {mapping_.at<shm::SharedAtomic<std::uint32_t>>(geometry_.holds_offset + reader * geometry_.hold_stride),
            geometry_.max_views};
  }
  [[nodiscard]] ChunkState& chunk_state(std::uint32_t chunk) const noexcept {
    return *mapping_.at<ChunkState>(geometry_.chunks_offset + chunk * sizeof(ChunkState));
  }
  /// The memory of a chunk; nothing when there is none of that number: numbers come out of shared memory.
  [[nodiscard]] std::span<std::byte> chunk(std::uint32_t number) const noexcept {
    for (const ChunkClass& chunks : geometry_.chunk_classes) {
      if (number - chunks.first >= chunks.count) continue;
      return {mapping_.at<std::byte>(chunks.offset + (number - chunks.first) * chunks.size), chunks.size};
    }
    return {};
  }
  [[nodiscard]] GroupEntry& group(std::uint32_t k) const noexcept {
    return *mapping_.at<GroupEntry>(geometry_.groups_offset + k * geometry_.group_stride);
  }
  /// What a group knows of the position: see topic_group.hpp.
  [[nodiscard]] shm::SharedAtomic<std::uint64_t>& claim(std::uint32_t group, std::uint64_t position) const noexcept {
    return *mapping_.at<shm::SharedAtomic<std::uint64_t>>(geometry_.groups_offset + group * geometry_.group_stride +
                                                          sizeof(GroupEntry) +
                                                          (position & geometry_.mask) * sizeof(std::uint64_t));
  }

  [[nodiscard]] shm::ByteRange reader_byte(std::uint32_t k) const noexcept {
    return {geometry_.readers_offset + k * sizeof(ReaderEntry), 1};
  }
  [[nodiscard]] shm::ByteRange writer_byte(std::uint32_t k) const noexcept {
    return {geometry_.writers_offset + k * sizeof(WriterEntry), 1};
  }
  [[nodiscard]] shm::FileLock& lock() noexcept { return lock_; }
  [[nodiscard]] const shm::FileLock& lock() const noexcept { return lock_; }

  /// Takes a byte that others hold for a moment only. Throws Error with `otherwise` at the deadline.
  void lock_patiently(shm::ByteRange byte, shm::Deadline deadline, const std::string& otherwise);

  [[nodiscard]] bool reliable() const noexcept { return reliable_; }

  /// Which file it is, for those in this process who look for another hold on the same one.
  [[nodiscard]] std::uint64_t inode() const noexcept { return inode_; }

 private:
  TopicFile() = default;
  [[nodiscard]] static bool create(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context,
                                   const std::string& path, TopicFile& result);
  void agree(const TopicSpec& spec, shm::Deadline deadline);
  void adopt(shm::AttachedSegment&& attached, shm::FileLock&& lock, const std::string& path);

  std::string path_;
  std::uint64_t inode_ = 0;
  bool reliable_ = false;
  bool observes_ = false;
  TopicGeometry geometry_;
  shm::Mapping mapping_;
  shm::FileLock lock_;
};

/// Unlinks the file at `path` if nobody has the topic open; whether it did. Never throws for what it finds there.
bool remove_dead_topic(const std::string& path);

}  // namespace sluice::slick
