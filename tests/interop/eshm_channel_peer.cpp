// A channel at the table where eshm_peer.py sits on the other side, with its payload, options and lines of JSON.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sluice/eshm/channel.hpp>
#include <sluice/shm/deadline.hpp>

#include "interop/eshm_peer/message.hpp"

namespace {

using sluice::eshm::Channel;
using sluice::eshm::ChannelCallbacks;
using sluice::eshm::ChannelOptions;

enum ExitCode { kSuccess = 0, kRefused = 1, kTimedOut = 3, kUnsound = 4 };

struct Options {
  std::string name;
  std::string role;
  std::uint32_t version = 3;
  std::size_t size = 4096;
  std::uint32_t stale = 100;
  std::string first_read = "after_open";
  std::int64_t write_count = 0;  ///< -1: without end.
  double rate = 0;
  std::size_t least = 64;
  std::size_t most = 64;
  std::uint64_t writer = 1;
  std::uint64_t seed = 0;
  bool read = false;
  bool poll = false;
  std::optional<std::uint64_t> read_count;
  std::string start_file;
  std::string stop_file;
  double timeout = 60;
};

/// A line of JSON; from the heartbeat thread, too.
void emit(const std::string& event, nlohmann::json fields = nlohmann::json::object()) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  fields["event"] = event;
  std::cout << fields.dump() << std::endl;
}

ChannelOptions channel_options(const Options& options) {
  static const std::map<std::string, sluice::eshm::Role> roles{{"master", sluice::eshm::Role::master},
                                                               {"slave", sluice::eshm::Role::slave},
                                                               {"auto", sluice::eshm::Role::automatic}};
  static const std::map<std::string, sluice::eshm::FirstRead> firsts{
      {"after_open", sluice::eshm::FirstRead::after_open},
      {"after_reading", sluice::eshm::FirstRead::after_reading},
      {"current", sluice::eshm::FirstRead::current}};
  ChannelOptions channel;
  channel.role = roles.at(options.role);
  channel.on_disconnect = sluice::eshm::OnDisconnect::never;
  channel.reconnect_interval = std::chrono::milliseconds{10};
  channel.max_size = options.size;
  channel.stale_threshold = std::chrono::milliseconds{options.stale};
  channel.follow_segment = true;
  channel.protocol = sluice::eshm::Protocol{options.version};
  channel.attach_timeout = std::chrono::seconds{60};
  channel.first_read = firsts.at(options.first_read);
  return channel;
}

ChannelCallbacks callbacks() {
  return {[] { emit("connected"); }, [] { emit("stale"); }, [] { emit("reconnected"); },
          [](std::uint32_t generation) {
            emit("takeover", {{"generation", generation}});
          }};
}

class Serving {
 public:
  explicit Serving(const Options& options)
      : options_(options), channel_(options.name, channel_options(options), callbacks()), buffer_(options.size) {
    if (options.poll) channel_.set_waiting(sluice::eshm::Waiting::poll);
    emit("ready", {{"pid", ::getpid()},
                   {"role", sluice::eshm::name_of(channel_.side())},
                   {"creator", channel_.created()},
                   {"taken_over", channel_.took_over()},
                   {"generation", channel_.generation()},
                   {"version", static_cast<std::uint32_t>(channel_.protocol())}});
  }

  int run() {
    const auto deadline =
        sluice::shm::Deadline::after(std::chrono::nanoseconds(static_cast<std::int64_t>(options_.timeout * 1e9)));
    while (!options_.start_file.empty() && !std::filesystem::exists(options_.start_file)) {
      if (deadline.passed()) return kTimedOut;
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    begun_ns_ = sluice::shm::monotonic_ns();
    while (!over()) {
      if (deadline.passed()) {
        report();
        return kTimedOut;
      }
      turn();
    }
    if (options_.read) read(std::chrono::nanoseconds{0});
    report();
    const bool enough = !options_.read_count || reads_ >= *options_.read_count;
    return torn_ == 0 && disorder_ == 0 && enough ? kSuccess : kUnsound;
  }

 private:
  [[nodiscard]] bool wants_to_write() const {
    return options_.write_count < 0 || written_ < static_cast<std::uint64_t>(options_.write_count);
  }

  [[nodiscard]] bool over() const {
    if (!options_.stop_file.empty() && std::filesystem::exists(options_.stop_file)) return true;
    if (options_.read_count && reads_ >= *options_.read_count) return true;
    return !options_.read_count && options_.stop_file.empty() && !wants_to_write();
  }

  /// Until the next message is due.
  [[nodiscard]] std::chrono::nanoseconds until_due() const {
    if (options_.rate <= 0) return {};
    const auto due =
        begun_ns_ + static_cast<std::int64_t>(static_cast<double>(written_ + refused_) * 1e9 / options_.rate);
    return std::chrono::nanoseconds{std::max<std::int64_t>(0, due - sluice::shm::monotonic_ns())};
  }

  void turn() {
    constexpr std::chrono::nanoseconds kSlice = std::chrono::milliseconds{20};
    const auto wait = wants_to_write() ? std::min(until_due(), kSlice) : kSlice;
    if (wants_to_write() && wait.count() == 0) {
      write();
      if (options_.read) read(std::chrono::nanoseconds{0});
    } else if (options_.read) {
      read(wait);
    } else {
      std::this_thread::sleep_for(wait);
    }
  }

  void write() {
    const slick_peer::Origin origin{options_.writer, written_};
    std::vector<std::byte> message(options_.least +
                                   (written_ * 7919 + options_.seed) % (options_.most - options_.least + 1));
    eshm_peer::fill(message, options_.seed, origin);
    if (channel_.write(message) == sluice::eshm::WriteStatus::ok) {
      ++written_;
    } else {
      ++refused_;
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  }

  void read(std::chrono::nanoseconds timeout) {
    const auto result = channel_.read(buffer_, timeout);
    if (result.status != sluice::eshm::ReadStatus::ok) return;
    const auto origin = eshm_peer::read(std::span(buffer_).first(result.size));
    ++reads_;
    if (!origin) {
      ++torn_;
    } else if (origin->producer != 0) {
      auto [last, fresh] = last_.try_emplace(origin->producer, origin->sequence);
      if (!fresh && origin->sequence <= last->second) ++disorder_;
      last->second = origin->sequence;
    }
    if (reads_ == 1 || (origin && told_ != origin->producer)) {
      told_ = origin ? origin->producer : 0;
      emit("read",
           {{"size", result.size}, {"torn", !origin}, {"writer", told_}, {"number", origin ? origin->sequence : 0}});
    }
  }

  void report() const {
    const auto stats = channel_.stats();
    nlohmann::json last = nlohmann::json::object();
    for (const auto& [writer, number] : last_) last[std::to_string(writer)] = number;
    emit("done", {{"completed", written_},
                  {"refused", refused_},
                  {"reads", reads_},
                  {"torn", torn_},
                  {"disorder", disorder_},
                  {"last", last},
                  {"received", stats.received},
                  {"conflated", stats.conflated},
                  {"interrupted", stats.interrupted},
                  {"approximate", stats.approximate},
                  {"reconnects", stats.reconnects},
                  {"generation", stats.generation}});
  }

  const Options& options_;
  Channel channel_;
  std::vector<std::byte> buffer_;
  std::int64_t begun_ns_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t torn_ = 0;
  std::uint64_t disorder_ = 0;
  std::uint64_t told_ = 0;
  std::map<std::uint64_t, std::uint64_t> last_;
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("role", options.role)->required()->check(CLI::IsMember({"master", "slave", "auto"}));
  app.add_option("name", options.name)->required();
  app.add_option("--version", options.version, "of a segment that is created");
  app.add_option("--size", options.size, "largest message");
  app.add_option("--stale", options.stale, "ms; only the creator's counts");
  app.add_option("--first-read", options.first_read);
  app.add_option("--write-count", options.write_count, "-1: without end");
  app.add_option("--rate", options.rate, "messages per second; 0: unpaced");
  app.add_option("--least", options.least);
  app.add_option("--most", options.most);
  app.add_option("--writer", options.writer);
  app.add_option("--seed", options.seed);
  app.add_flag("--read", options.read);
  app.add_flag("--poll", options.poll);
  app.add_option("--read-count", options.read_count);
  app.add_option("--start-file", options.start_file, "attach, then begin when this file is there");
  app.add_option("--stop-file", options.stop_file);
  app.add_option("--timeout", options.timeout, "seconds, for everything");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("A channel beside eshm_peer.py");
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    return Serving(options).run();
  } catch (const std::exception& error) {
    emit("error", {{"text", error.what()}});
    return kRefused;
  }
}
