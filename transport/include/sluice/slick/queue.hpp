#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <sluice/slick/untyped_queue.hpp>

namespace sluice::slick {

namespace detail {

/// The elements of a queue without a name. A base, so that they exist before the queue over them and outlive it.
template <typename T>
struct InProcessElements {
  explicit InProcessElements(std::uint32_t capacity) : elements(capacity != 0 ? new T[capacity]{} : nullptr) {}
  std::unique_ptr<T[]> elements;
};

}  // namespace detail

/// A lock-free ring that any number of threads or processes may write and read: the interface of slick_queue 1.2.x to
/// 1.4.x on the same segments, with its hazards repaired. Messages are n >= 1 elements in one piece. Lossy: producers
/// never wait, and a reader that falls a lap behind goes on at the oldest message left and counts what it lost.
///
///     Queue<Tick> queue(1024, "ticks");            // create or open /dev/shm/ticks; without a name: in this process
///     const auto index = queue.reserve();
///     *queue[index] = tick;
///     queue.publish(index);
///
///     std::uint64_t cursor = queue.initial_reading_index();
///     while (auto tick = queue.read_copy(cursor)) use(*tick);
///
/// T must be trivially copyable in shared memory; in process it may be any default-constructible type.
/// Thread safety: every member from any thread at any time; but one private cursor belongs to one thread, and nobody
/// may use the queue during reset. Nothing blocks, allocates or calls the kernel after construction.
template <typename T>
class Queue : private detail::InProcessElements<T> {
  using Elements = detail::InProcessElements<T>;

 public:
  /// Creates or opens. Without a name: in this process only. Throws std::invalid_argument if `size` is no power of two;
  /// Error (a std::runtime_error) naming the segment and both values when an existing segment differs.
  explicit Queue(std::uint32_t size, const char* shm_name = nullptr, const QueueOptions& options = {})
      : Elements(shm_name == nullptr ? size : 0), queue_(make(size, shm_name, Elements::elements.get(), options)) {}

  /// Opens what exists. Throws Error if it does not, or differs.
  explicit Queue(const char* shm_name, const QueueOptions& options = {})
      : Elements(0), queue_(std::make_unique<UntypedQueue>(checked_name(shm_name), kElementSize, options)) {}

  /// Whether this object created the ring (in process: always). Who created it removes its name in the destructor.
  [[nodiscard]] bool own_buffer() const noexcept { return queue_->own_buffer(); }
  [[nodiscard]] bool use_shm() const noexcept { return queue_->use_shm(); }     ///< Whether it has a name.
  [[nodiscard]] std::uint32_t size() const noexcept { return queue_->size(); }  ///< Capacity in elements.

  /// Elements that readers of this object lost because they were overwritten first. Exact in every build.
  [[nodiscard]] std::uint64_t loss_count() const noexcept { return queue_->loss_count(); }

  /// Elements that readers of this object stepped over: holes that dead producers left, and tails before a wrap.
  [[nodiscard]] std::uint64_t skipped_count() const noexcept { return queue_->skipped_count(); }

  /// A cursor that begins at the next reservation.
  [[nodiscard]] std::uint64_t initial_reading_index() const noexcept { return queue_->initial_reading_index(); }

  /// Reserves n elements in one piece and returns the index of the first; never blocks. Throws std::invalid_argument
  /// for 0, std::runtime_error for more than the queue has.
  [[nodiscard]] std::uint64_t reserve(std::uint32_t n = 1) { return queue_->reserve(n); }

  /// The element at `index`; of a reservation of n, each has its own.
  [[nodiscard]] T* operator[](std::uint64_t index) noexcept { return at(index); }
  [[nodiscard]] const T* operator[](std::uint64_t index) const noexcept { return at(index); }

  /// Makes n reserved elements from `index` on visible as one message. False: a whole lap was reserved since, so the
  /// elements belong to others now and nothing was published.
  bool publish(std::uint64_t index, std::uint32_t n = 1) noexcept { return queue_->publish(index, n); }

  /// The next message in place and its number of elements; {nullptr, 0} if there is none. The cursor moves behind it.
  /// Producers may overwrite it at any time: read, then ask still_valid(cursor - size); or use read_copy.
  [[nodiscard]] std::pair<T*, std::uint32_t> read(std::uint64_t& cursor) noexcept {
    return in_place(queue_->read(cursor));
  }

  /// The same for a cursor that several readers share, also across processes (SharedCursor): each message to one of
  /// them.
  [[nodiscard]] std::pair<T*, std::uint32_t> read(std::atomic<std::uint64_t>& cursor) noexcept {
    return in_place(queue_->read(cursor));
  }

  /// Copies the next message into `out`, resized to it; its number of elements, 0 if there is none. What is returned is
  /// never torn. Allocates when `out` is too small.
  std::uint32_t read_copy(std::uint64_t& cursor, std::vector<T>& out) requires std::is_trivially_copyable_v<T> {
    const auto message = queue_->read(cursor, [&](const Ring::Message& found) {
      const T* first = at(found.index);
      out.assign(first, first + found.size);
    });
    return message ? message->size : 0;
  }

  /// Copies the next message of a queue whose messages are single elements. Of a larger message, the first element.
  [[nodiscard]] std::optional<T> read_copy(std::uint64_t& cursor) noexcept requires std::is_trivially_copyable_v<T> {
    std::optional<T> copy;
    const auto message = queue_->read(cursor, [&](const Ring::Message& found) { copy = *at(found.index); });
    if (!message) copy.reset();
    return copy;
  }

  /// The newest message in place and its number of elements, whoever published it; {nullptr, 0} if there is none.
  [[nodiscard]] std::pair<T*, std::uint32_t> read_last() noexcept { return in_place(queue_->read_last()); }

  /// Whether the message that began at `index` is still there and whole; ask after having read it in place.
  [[nodiscard]] bool still_valid(std::uint64_t index) const noexcept { return queue_->still_valid(index); }

  /// Empties the queue and begins again at index 0. Nobody else may be using it.
  void reset() noexcept { queue_->reset(); }

 private:
  static constexpr auto kElementSize = static_cast<std::uint32_t>(sizeof(T));

  static const char* checked_name(const char* name) {
    if constexpr (!std::is_trivially_copyable_v<T>) {
      throw std::invalid_argument("elements of a queue in shared memory must be trivially copyable");
    }
    if (name == nullptr) throw std::invalid_argument("the queue to open has no name");
    return name;
  }
  static std::unique_ptr<UntypedQueue> make(std::uint32_t size, const char* name, T* elements,
                                            const QueueOptions& options) {
    if (name == nullptr) {
      return std::make_unique<UntypedQueue>(size, kElementSize, reinterpret_cast<std::byte*>(elements), options);
    }
    return std::make_unique<UntypedQueue>(size, kElementSize, std::string(checked_name(name)), options);
  }
  [[nodiscard]] T* at(std::uint64_t index) const noexcept {
    return reinterpret_cast<T*>(queue_->ring().element(index));
  }
  [[nodiscard]] std::pair<T*, std::uint32_t> in_place(const std::optional<Ring::Message>& message) const noexcept {
    return message ? std::pair{at(message->index), message->size} : std::pair<T*, std::uint32_t>{nullptr, 0};
  }

  std::unique_ptr<UntypedQueue> queue_;
};

}  // namespace sluice::slick
