#pragma once

#include <ctime>

#include <cstdint>
#include <cstdio>

namespace example {

/// What a stage of the pipeline costs beside its work on the pixels: the processor time of the whole process, all of
/// its threads, from the first frame to the last, less the time that its thread spent between `begin_pixels` and
/// `end_pixels`.
class StageMeter {
 public:
  /// At each frame, before anything is done with it.
  void frame() {
    if (frames_++ > 0) return;
    cpu_at_first_ = now(CLOCK_PROCESS_CPUTIME_ID);
    time_of_first_ = now(CLOCK_MONOTONIC);
  }
  void begin_pixels() { began_ = now(CLOCK_THREAD_CPUTIME_ID); }
  void end_pixels() { pixels_ += now(CLOCK_THREAD_CPUTIME_ID) - began_; }

  /// At the end.
  void print(const char* stage, std::uint64_t lost) const {
    const double seconds = now(CLOCK_MONOTONIC) - time_of_first_;
    const double cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu_at_first_;
    const double percent = frames_ == 0 ? 0.0 : 100.0 / seconds;
    std::printf("%s: %u frames, %llu lost, %.1f frames/s; of a core %.2f %% for the pixels, %.2f %% for the rest\n",
                stage, frames_, static_cast<unsigned long long>(lost),
                frames_ == 0 ? 0.0 : static_cast<double>(frames_) / seconds, pixels_ * percent,
                (cpu - pixels_) * percent);
  }

  [[nodiscard]] std::uint32_t frames() const { return frames_; }

 private:
  static double now(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }

  std::uint32_t frames_ = 0;
  double cpu_at_first_ = 0;
  double time_of_first_ = 0;
  double began_ = 0;
  double pixels_ = 0;
};

}  // namespace example
