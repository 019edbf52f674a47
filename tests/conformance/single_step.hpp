#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace sluice::conformance {

/// A thread that does something when it is told to.
class OtherThread {
 public:
  explicit OtherThread(std::function<void()> action);
  ~OtherThread();
  OtherThread(const OtherThread&) = delete;
  OtherThread& operator=(const OtherThread&) = delete;

  /// Waits until the other thread has done it, but not for ever: it may need something that we hold. May be called from
  /// a signal handler.
  void act() noexcept;
  /// Waits for an action that was still under way, and throws what it threw.
  void join_action();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Runs `action`, stops it after so many of its instructions while the other thread acts, and lets it go on. False, and
/// the other thread has done nothing: the action has fewer instructions. Throws NotCheckable where a processor or a
/// sandbox cannot step.
[[nodiscard]] bool meanwhile(std::uint64_t instruction, OtherThread& other, const std::function<void()>& action);

}  // namespace sluice::conformance
