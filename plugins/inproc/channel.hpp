#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <sluice/shm/doorbell.hpp>
#include <sluice/topic_spec.hpp>

namespace sluice::inproc {

/// A message in ordinary memory. Writers fill it while `references` is 0 and nobody else can see it; each inbox and
/// each reader that holds it counts one; whoever drops the last reference makes it free for its pool's writer again.
/// On lines of its own, as its bytes are: one message is read while the next one is written.
struct alignas(shm::kCacheLine) Message {
  explicit Message(std::size_t capacity) : lines_(new Line[capacity / sizeof(Line) + 1]) {}

  [[nodiscard]] std::byte* bytes() const noexcept { return lines_[0].bytes; }

  std::atomic<std::uint32_t> references{0};
  bool loaned = false;  ///< Written by the pool's writer only.
  std::size_t length = 0;
  std::uint64_t position = 0;
  std::uint64_t sequence = 0;
  std::int64_t published_ns = 0;
  std::uint64_t publisher = 0;

  /// SYNC release→reuse: the writer's acquire load of 0 sees that every reader is done with the bytes.
  void drop() noexcept { references.fetch_sub(1, std::memory_order_release); }

 private:
  struct alignas(shm::kCacheLine) Line {
    std::byte bytes[shm::kCacheLine];
  };
  std::unique_ptr<Line[]> lines_;
};

/// A writer's messages. Outlives the writer in its channel, because readers may still hold some of them.
class MessagePool {
 public:
  explicit MessagePool(std::size_t message_size) : message_size_(message_size) {}

  /// A free message, marked as loaned; nullptr when memory is exhausted. Allocates only while the pool still grows.
  [[nodiscard]] Message* acquire() noexcept;

  [[nodiscard]] std::size_t message_size() const noexcept { return message_size_; }

 private:
  std::size_t message_size_;
  std::size_t next_ = 0;
  std::vector<std::unique_ptr<Message>> messages_;
};

/// A reader's queue: a bounded ring of message pointers. Pushed under the channel's publishing mutex; popped by its
/// reader and, on a best_effort topic, by the publisher that needs the room.
///
/// Invariants: head <= tail <= head + capacity; a slot is written only when it is outside [head, tail); whoever moves
/// head over a slot by CAS owns one reference of the message that was in it.
class Inbox {
 public:
  Inbox(std::size_t capacity, std::uint64_t joined);
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  [[nodiscard]] bool full() noexcept;
  [[nodiscard]] bool empty() const noexcept;
  void push(Message& message) noexcept;
  [[nodiscard]] Message* pop() noexcept { return pop(known_tail_); }  ///< The reader.
  void drop_oldest() noexcept;

  [[nodiscard]] std::uint64_t joined() const noexcept { return joined_; }
  /// SYNC drop→reserve: acquire; who sees a loss sees the reservation of what was lost.
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_acquire); }

 private:
  [[nodiscard]] Message* pop(std::uint64_t& known_tail) noexcept;

  std::uint64_t joined_;
  std::vector<std::atomic<Message*>> slots_;
  /// Each end remembers where it last saw the other one, so that a line goes over when something changed and not for
  /// every message.
  alignas(shm::kIsolation) std::atomic<std::uint64_t> head_{0};
  std::uint64_t known_tail_ = 0;  ///< The reader's.
  alignas(shm::kIsolation) std::atomic<std::uint64_t> tail_{0};
  std::uint64_t known_head_ = 0;  ///< The publisher's who holds the channel's mutex.
  std::atomic<std::uint64_t> lost_{0};
};

/// One topic within this process. Publishers of one topic take turns under a mutex; readers take without one.
class Channel {
 public:
  explicit Channel(const TopicSpec& spec);

  /// The channel of this topic in this process; made when first asked for, gone with its last endpoint. Throws
  /// ConfigError when `spec` contradicts what the topic was opened with.
  [[nodiscard]] static std::shared_ptr<Channel> open(const TopicSpec& spec, const std::string& domain_directory);

  [[nodiscard]] std::shared_ptr<Inbox> add_reader();
  void remove_reader(const std::shared_ptr<Inbox>& inbox);
  [[nodiscard]] std::shared_ptr<MessagePool> add_writer(std::uint64_t& publisher);
  void remove_writer(std::shared_ptr<MessagePool> pool);

  /// Hands the message to every reader, or to none (false: a reliable reader had no room until the deadline).
  [[nodiscard]] bool publish(Message& message, std::chrono::nanoseconds max_blocking_time) noexcept;

  [[nodiscard]] const TopicSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] bool reliable() const noexcept { return spec_.qos.reliability == Reliability::reliable; }
  [[nodiscard]] std::uint64_t reserved() const noexcept { return reserved_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint32_t reader_count() const;
  [[nodiscard]] std::uint32_t writer_count() const;
  [[nodiscard]] shm::Doorbell& doorbell() noexcept { return doorbell_; }
  [[nodiscard]] shm::Doorbell& space() noexcept { return space_; }

 private:
  [[nodiscard]] bool try_publish(Message& message) noexcept;

  TopicSpec spec_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Inbox>> inboxes_;
  std::vector<std::shared_ptr<MessagePool>> pools_in_use_;
  std::vector<std::shared_ptr<MessagePool>> retired_pools_;
  std::uint64_t next_publisher_ = 0;
  std::atomic<std::uint64_t> reserved_{0};
  shm::Doorbell doorbell_{};
  shm::Doorbell space_{};
};

}  // namespace sluice::inproc
