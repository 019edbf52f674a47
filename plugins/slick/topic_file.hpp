#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/segment.hpp>
#include <sluice/topic_spec.hpp>
#include <sluice/transport.hpp>

#include "slick/topic_layout.hpp"

namespace sluice::slick {

/// The slick transport's own options, checked and converted.
struct TopicOptions {
  std::chrono::nanoseconds hole_timeout = std::chrono::milliseconds{10};  ///< For the position of a dead publisher.
  std::chrono::nanoseconds stall_timeout = std::chrono::seconds{1};       ///< For that of a living, stopped one.
  std::chrono::nanoseconds evict_after = std::chrono::seconds{5};
  std::uint32_t max_publishers = 64;
  std::uint32_t max_subscribers = 64;
};

/// Throws ConfigError at the option's place.
[[nodiscard]] TopicOptions parse_topic_options(const TopicSpec& spec);

/// The shape of a topic file. Copied out of the header once it has been checked, so that bytes somebody else changes
/// later cannot lead an access astray.
struct TopicGeometry {
  std::uint64_t capacity = 0;
  std::uint64_t mask = 0;
  std::uint64_t horizon_step = 0;  ///< How far the horizon runs ahead of `reserved`.
  std::uint64_t cell_stride = 0;
  std::uint64_t max_payload = 0;
  std::uint64_t readers_offset = 0;
  std::uint64_t writers_offset = 0;
  std::uint64_t ring_offset = 0;
  std::uint64_t total = 0;
  std::uint32_t max_readers = 0;
  std::uint32_t max_writers = 0;
};

/// The geometry that a new file for `spec` gets. Throws ConfigError when it would be larger than 2^46 bytes.
[[nodiscard]] TopicGeometry plan_geometry(const TopicSpec& spec, const TopicOptions& options);

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
  [[nodiscard]] Cell& cell(std::uint64_t position) const noexcept {
    return *mapping_.at<Cell>(geometry_.ring_offset + (position & geometry_.mask) * geometry_.cell_stride);
  }
  [[nodiscard]] static std::byte* payload(Cell& cell) noexcept {
    return reinterpret_cast<std::byte*>(&cell) + kCellHeader;
  }

  [[nodiscard]] shm::ByteRange reader_byte(std::uint32_t k) const noexcept {
    return {geometry_.readers_offset + k * sizeof(ReaderEntry), 1};
  }
  [[nodiscard]] shm::ByteRange writer_byte(std::uint32_t k) const noexcept {
    return {geometry_.writers_offset + k * sizeof(WriterEntry), 1};
  }
  [[nodiscard]] shm::FileLock& lock() noexcept { return lock_; }
  [[nodiscard]] const shm::FileLock& lock() const noexcept { return lock_; }
  [[nodiscard]] bool reliable() const noexcept { return reliable_; }

 private:
  TopicFile() = default;
  [[nodiscard]] static bool create(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context,
                                   const std::string& path, TopicFile& result);
  void agree(const TopicSpec& spec, shm::Deadline deadline);
  void adopt(shm::AttachedSegment&& attached, shm::FileLock&& lock, const std::string& path);

  std::string path_;
  std::uint64_t inode_ = 0;
  bool reliable_ = false;
  TopicGeometry geometry_;
  shm::Mapping mapping_;
  shm::FileLock lock_;
};

/// Unlinks the file at `path` if nobody has the topic open; whether it did. Never throws for what it finds there.
bool remove_dead_topic(const std::string& path);

}  // namespace sluice::slick
