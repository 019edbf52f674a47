#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <sluice/shm/atomic.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/segment.hpp>
#include <sluice/transport.hpp>

/// A mailbox: the latest message of a topic, in one file that all its processes map.
///
///     0        MailboxHeader   what the topic is; constant once the file has a name
///     4096     MailboxControl  what the publisher has done; where readers sleep
///     4224     Slot[slots]     message n is in slot n % slots
///
/// Whoever may do something holds a lock on a byte of the file. The kernel lets go of it when the process ends, however
/// it ends, so the locks are the tables of who is there, and nobody has to clean them up.
namespace mailbox {

using namespace sluice;

inline constexpr auto kKind = static_cast<shm::SegmentKind>(0x584F424D);  // "MBOX"
inline constexpr std::uint32_t kVersion = 1;
inline constexpr shm::ByteRange kLifetimeByte{0, 1};   ///< Shared: everybody. Exclusive: the last one out.
inline constexpr shm::ByteRange kPublisherByte{1, 1};  ///< Exclusive: the publisher.
inline constexpr std::uint32_t kMostReaders = 64;
[[nodiscard]] constexpr shm::ByteRange reader_byte(std::uint32_t k) { return {2 + k, 1}; }

struct MailboxHeader {
  shm::SegmentHeader segment;
  std::uint64_t max_size;
  std::uint64_t slots;
  std::uint64_t type_size;
  std::array<char, 256> type_name;
};

struct MailboxControl {
  shm::SharedAtomic<std::uint64_t> begun;       ///< Messages that a publisher has begun to write.
  shm::SharedAtomic<std::uint64_t> published;   ///< Messages that are complete; never more than `begun`.
  shm::SharedAtomic<std::uint64_t> publishers;  ///< Identities given away.
  shm::Doorbell bell;
};

struct Slot {
  std::uint64_t sequence;
  std::uint64_t publisher;
  std::int64_t published_ns;
  std::uint64_t length;
  // The message follows.
};

inline constexpr std::size_t kControlOffset = 4096;
inline constexpr std::size_t kSlotsOffset = kControlOffset + 128;
static_assert(sizeof(MailboxHeader) <= kControlOffset && sizeof(MailboxControl) <= kSlotsOffset - kControlOffset);

/// One endpoint's hold on a topic's file.
class MailboxFile {
 public:
  /// Opens the file, or makes it. Throws Error; ConfigError when `spec` contradicts what the topic is.
  MailboxFile(const TopicSpec& spec, const TransportContext& context, std::uint32_t slots);
  ~MailboxFile();
  MailboxFile(const MailboxFile&) = delete;
  MailboxFile& operator=(const MailboxFile&) = delete;

  [[nodiscard]] const MailboxHeader& header() const { return *mapping_.at<MailboxHeader>(0); }
  [[nodiscard]] MailboxControl& control() const { return *mapping_.at<MailboxControl>(kControlOffset); }
  [[nodiscard]] Slot& slot(std::uint64_t message) const {
    return *mapping_.at<Slot>(kSlotsOffset + message % slots_ * slot_size(max_size_));
  }
  // Copies of what was checked: bytes that somebody changes later cannot lead an access astray.
  [[nodiscard]] std::uint64_t slots() const { return slots_; }
  [[nodiscard]] std::size_t max_size() const { return max_size_; }
  [[nodiscard]] shm::FileLock& lock() { return lock_; }
  [[nodiscard]] const shm::FileLock& lock() const { return lock_; }

 private:
  [[nodiscard]] static std::size_t slot_size(std::size_t max_size) { return (sizeof(Slot) + max_size + 63) / 64 * 64; }
  [[nodiscard]] bool attach();
  [[nodiscard]] bool create(const TopicSpec& spec, const TransportContext& context, std::uint32_t slots);
  void check_agreement(const TopicSpec& spec) const;
  void leave() noexcept;

  std::string path_;
  std::uint64_t inode_ = 0;
  std::uint64_t slots_ = 0;
  std::size_t max_size_ = 0;
  shm::Mapping mapping_;
  shm::FileLock lock_;
};

}  // namespace mailbox
