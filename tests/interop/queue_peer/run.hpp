#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>

#include <nlohmann/json.hpp>

#include <sluice/slick/untyped_queue.hpp>

#include "options.hpp"
#include "payload.hpp"

namespace queue_peer {

class TimedOut : public std::exception {};

// The deadline, and the files through which a test starts and stops a run.
class Bounds {
 public:
  explicit Bounds(const Options& options)
      : options_(options), deadline_(std::chrono::steady_clock::now() + nanoseconds(options.timeout)) {}

  void check() const {
    if (std::chrono::steady_clock::now() > deadline_) throw TimedOut();
  }
  void nap(std::chrono::microseconds time = std::chrono::microseconds{200}) const {
    check();
    std::this_thread::sleep_for(time);
  }
  // Until message number `done` may be sent at `rate` messages a second from `started` on.
  void await_turn(std::chrono::steady_clock::time_point started, std::uint64_t done, double rate) const {
    const auto turn = started + nanoseconds(static_cast<double>(done) / rate);
    for (auto now = std::chrono::steady_clock::now(); now < turn; now = std::chrono::steady_clock::now()) {
      nap(std::min(std::chrono::ceil<std::chrono::microseconds>(turn - now), std::chrono::microseconds{50000}));
    }
  }
  [[nodiscard]] bool stopped() const {
    return !options_.stop_file.empty() && std::filesystem::exists(options_.stop_file);
  }
  void await_start() const {
    while (!options_.start_file.empty() && !std::filesystem::exists(options_.start_file)) nap();
  }

 private:
  const Options& options_;
  std::chrono::steady_clock::time_point deadline_;
};

// A line a message, as slick_peer's: index size producer sequence crc.
class Log {
 public:
  explicit Log(const std::string& path) {
    if (path.empty()) return;
    file_.reset(std::fopen(path.c_str(), "w"));
    if (file_ == nullptr) throw std::runtime_error("cannot write " + path);
  }

  void message(std::uint64_t index, std::uint32_t size, const std::optional<slick_peer::Origin>& origin,
               std::span<const std::byte> bytes) {
    if (file_ == nullptr) return;
    const std::uint32_t crc = slick_peer::crc32(0, bytes);
    if (origin) {
      (void)std::fprintf(file_.get(), "%llu %u %llu %llu %08x\n", long_of(index), size, long_of(origin->producer),
                         long_of(origin->sequence), crc);
    } else {
      (void)std::fprintf(file_.get(), "%llu %u - - %08x\n", long_of(index), size, crc);
    }
  }
  void gap(std::uint64_t from, std::uint64_t to, std::uint64_t lost, std::uint64_t skipped) {
    if (file_ == nullptr) return;
    (void)std::fprintf(file_.get(), "%llu %llu %llu %llu\n", long_of(from), long_of(to), long_of(lost),
                       long_of(skipped));
  }
  void flush() {
    if (file_ != nullptr) (void)std::fflush(file_.get());
  }

 private:
  static unsigned long long long_of(std::uint64_t value) { return value; }
  struct Close {
    void operator()(std::FILE* file) const { (void)std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
};

inline void emit(const char* event, nlohmann::json fields) {
  fields["event"] = event;
  std::printf("%s\n", fields.dump().c_str());
  (void)std::fflush(stdout);
}

int produce(sluice::slick::UntypedQueue& queue, const Options& options, const Bounds& bounds);
int consume(sluice::slick::UntypedQueue& queue, const Options& options, const Bounds& bounds);

}  // namespace queue_peer
