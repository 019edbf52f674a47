#pragma once

/// The drop-in for slick_queue's <slick/queue.h>: programs written for 1.2.x to 1.4.x compile against it unchanged and
/// share segments with programs that use the original. docs/slick-migration.md says what is the same and what differs.
///
/// Link sluice::core, or slick::queue (package slick-queue), or slick::slick_queue (package slick_queue).
///
///   SLICK_QUEUE_READ_LAST_POINTER         define it for the read_last of 1.2.x and 1.3.0, which returns a T*
///   SLICK_QUEUE_ENABLE_LOSS_DETECTION,
///   SLICK_QUEUE_ENABLE_CPU_RELAX          accepted; losses are always counted exactly, and nothing here spins

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include <sluice/slick/queue.hpp>

namespace slick {

/// See sluice::slick::Queue, which adds read_copy and still_valid to the original's members.
template <typename T>
class SlickQueue : public sluice::slick::Queue<T> {
 public:
  using sluice::slick::Queue<T>::Queue;

#ifdef SLICK_QUEUE_READ_LAST_POINTER
  /// The newest message in place, or nullptr.
  [[nodiscard]] T* read_last() noexcept { return sluice::slick::Queue<T>::read_last().first; }
#endif
};

}  // namespace slick
