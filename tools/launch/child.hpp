#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "asio.hpp"
#include "console.hpp"
#include "line_splitter.hpp"
#include "plan.hpp"
#include "spawn.hpp"

namespace sluice::launch {

/// Prints what comes out of one pipe, line by line.
class OutputReader {
 public:
  OutputReader(asio::io_context& io, Console& console, std::string label, std::size_t index)
      : pipe_(io), console_(console), label_(std::move(label)), index_(index) {}

  void start(shm::UniqueFd fd);
  /// Reads on, if the console was full.
  void resume();
  [[nodiscard]] bool ended() const { return !pipe_.is_open(); }
  /// Prints all that was written before this call, an unfinished line included. Does not wait for the writers to close.
  void drain();

 private:
  void wait();
  bool read_some(std::size_t most);
  void print(std::string_view bytes, bool finish);

  asio::posix::stream_descriptor pipe_;
  Console& console_;
  std::string label_;
  std::size_t index_;
  LineSplitter lines_;
  bool paused_ = false;
};

/// How a process ended, in the launcher's terms.
struct Ending {
  int code = 0;            ///< Exit code, or 128 + signal, as a shell counts.
  int signal = 0;          ///< 0: it exited by itself.
  bool asked_for = false;  ///< It ended by a signal that we had sent.
  [[nodiscard]] bool failed() const { return code != 0 && !asked_for; }
};

/// One started process, from fork until its end has been told.
class Child {
 public:
  Child(asio::io_context& io, Console& console, const PlannedProcess& plan, std::size_t index);

  /// Throws SystemError. `on_end` is called once, after all output up to the end has been printed.
  void start(std::function<void(const Ending&)> on_end);

  /// To the process and what it started in its process group. No effect after the end.
  void send(int signal);
  void resume_output();
  void drain_output();

  [[nodiscard]] bool alive() const noexcept { return alive_; }
  /// Nobody can write to its output any more, not even what it left behind.
  [[nodiscard]] bool output_ended() const { return output_.ended() && errors_.ended(); }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] const PlannedProcess& plan() const noexcept { return plan_; }

 private:
  void wait_for_end();
  [[nodiscard]] Ending ending_of(int status) const;

  const PlannedProcess& plan_;
  asio::posix::stream_descriptor exit_;
  OutputReader output_;
  OutputReader errors_;
  std::function<void(const Ending&)> on_end_;
  pid_t pid_ = -1;
  bool alive_ = false;
  std::uint64_t sent_ = 0;  ///< Bit n: signal n was sent.
};

}  // namespace sluice::launch
