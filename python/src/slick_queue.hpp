#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <sluice/slick/untyped_queue.hpp>

namespace sluice::python {

/// What the constructor of Python's SlickQueue is given.
struct SlickQueueRequest {
  std::optional<std::string> name;           ///< None: in this process.
  std::optional<std::uint32_t> size;         ///< In elements; none: open what exists.
  std::uint32_t element_size = 0;            ///< In bytes.
  std::chrono::nanoseconds hole_timeout{0};  ///< 0: never.
};

/// Python's SlickQueue: an UntypedQueue that can be closed, and whose memory stays as long as somebody looks into it.
/// Names are removed by `unlink` only. Used under the interpreter's lock.
class SlickQueue {
 public:
  /// Throws std::invalid_argument for a size that is no power of two; SystemError; Error when a segment differs.
  explicit SlickQueue(const SlickQueueRequest& request);

  /// The queue; throws ValueError when it is closed.
  [[nodiscard]] slick::UntypedQueue& queue() const;

  /// The queue's memory as a reference that keeps it; throws as `queue` does.
  [[nodiscard]] std::shared_ptr<slick::UntypedQueue> share() const;

  /// Leaves the queue; the memory goes with the last one who has it. Again: nothing.
  void close() noexcept { queue_.reset(); }

  /// Removes the name if it still means this segment; whether it did. Also of a closed queue.
  bool unlink() noexcept;

  [[nodiscard]] const std::optional<std::string>& name() const noexcept { return name_; }  ///< "/ticks".
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }                      ///< In elements.
  [[nodiscard]] std::uint32_t element_size() const noexcept { return element_size_; }      ///< In bytes.
  [[nodiscard]] bool own_buffer() const noexcept { return created_; }  ///< Whether this object created it.

 private:
  void attach(const SlickQueueRequest& request, const slick::QueueOptions& options);
  void allocate(const SlickQueueRequest& request, const slick::QueueOptions& options);

  std::shared_ptr<slick::UntypedQueue> queue_;  ///< Null: closed.
  slick::Segment file_;                         ///< What `unlink` compares the name with; not mapped.
  std::optional<std::string> name_;
  std::uint32_t size_ = 0;
  std::uint32_t element_size_ = 0;
  bool created_ = true;
};

}  // namespace sluice::python
