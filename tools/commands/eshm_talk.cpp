#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <vector>

#include <sluice/error.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/units.hpp>

#include "commands/eshm_end.hpp"

namespace sluice::commands {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr double kDemoRate = 1000;

/// Lets the first few lines of every second through.
class LineBudget {
 public:
  explicit LineBudget(std::uint64_t a_second) : a_second_(a_second) {}

  bool spend() {
    if (a_second_ == 0) return false;
    const std::int64_t now = shm::monotonic_ns();
    if (now - begun_ns_ >= kSecond) {
      begun_ns_ = now;
      spent_ = 0;
    }
    return spent_++ < a_second_;
  }

 private:
  std::uint64_t a_second_;
  std::uint64_t spent_ = 0;
  std::int64_t begun_ns_ = 0;
};

/// A count, and how fast it grew since the last look.
class Meter {
 public:
  void add() { ++count_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }

  /// A second, since the last call or the start.
  double rate(std::int64_t now) {
    const double seconds = static_cast<double>(now - looked_ns_) / kSecond;
    const double grown = static_cast<double>(count_ - looked_count_);
    looked_ns_ = now;
    looked_count_ = count_;
    return seconds > 0 ? grown / seconds : 0;
  }

 private:
  std::uint64_t count_ = 0;
  std::uint64_t looked_count_ = 0;
  std::int64_t looked_ns_ = shm::monotonic_ns();
};

class Talk {
 public:
  Talk(OpenEnd& end, const EshmTalkOptions& options)
      : end_(end),
        options_(options),
        is_master_(end.channel.side() == eshm::Side::master),
        answers_(!is_master_ && options.rate < 0),
        rate_(answers_           ? 0
              : options.rate < 0 ? kDemoRate
                                 : options.rate),
        sent_lines_(options.show),
        received_lines_(options.show),
        buffer_(end.channel.max_size()) {}

  int run() {
    while (!over()) {
      print_events(end_);
      look_at_name();
      if (rate_ > 0 && shm::monotonic_ns() >= due_ns_) greet();
      if (!receive()) break;
    }
    print_events(end_);
    print_books();
    return gave_up_ ? 1 : 0;
  }

 private:
  [[nodiscard]] bool over() const { return should_stop() || (options_.count != 0 && sent_.count() >= options_.count); }

  void greet() {
    const std::int64_t now = shm::monotonic_ns();
    due_ns_ += static_cast<std::int64_t>(kSecond / rate_);
    // Who was stopped does not send in a burst what it missed: only the last would be read.
    constexpr std::int64_t kMostBehind = kSecond / 10;
    if (due_ns_ < now - kMostBehind) due_ns_ = now;
    send("Hello from ");
  }

  void send(const char* beginning) {
    std::string text = beginning;
    text += name_of(end_.channel.side());
    text += " #" + std::to_string(sent_.count());
    std::string message = text;
    message.push_back('\0');
    message.resize(std::max<std::size_t>(message.size(), options_.size));
    switch (end_.channel.write(std::as_bytes(std::span(message)))) {
      case eshm::WriteStatus::ok: break;
      case eshm::WriteStatus::disconnected: return;
      case eshm::WriteStatus::too_large:
        throw Error("a message of " + std::to_string(message.size()) + " bytes does not fit: max_size is " +
                    std::to_string(end_.channel.max_size()) + "; give both sides a larger --max-size");
    }
    sent_.add();
    if (sent_lines_.spend()) std::printf("%s Sent: %s\n", end_.label.c_str(), text.c_str());
    if (rate_ > 0 && is_master_) count_for_statistics(sent_.count());
  }

  /// False: there will be nothing more.
  bool receive() {
    constexpr std::int64_t kLongestWait = kSecond / 20;
    const std::int64_t left = rate_ > 0 ? due_ns_ - shm::monotonic_ns() : kLongestWait;
    const std::chrono::nanoseconds patience{std::clamp(left, std::int64_t{0}, kLongestWait)};
    const eshm::ReadResult result = end_.channel.read(buffer_, patience);
    if (result.status == eshm::ReadStatus::gave_up) {
      std::printf("%s Gave up: the master did not come back (%u attempts)\n", end_.label.c_str(),
                  options_.end.reconnects);
      gave_up_ = true;
      return false;
    }
    if (result.status != eshm::ReadStatus::ok) return true;
    received_.add();
    if (received_lines_.spend()) print_received(result.size);
    if (answers_) send("ACK from ");
    if (rate_ <= 0 || !is_master_) count_for_statistics(received_.count());
    return true;
  }

  void print_received(std::size_t size) const {
    const std::string text = printable(std::span(buffer_).first(size));
    if (is_master_) {
      std::printf("%s Received: %s\n", end_.label.c_str(), text.c_str());
    } else {
      std::printf("%s Received (%zu bytes): %s\n", end_.label.c_str(), size, text.c_str());
    }
  }

  void count_for_statistics(std::uint64_t count) {
    if (options_.stats_every == 0 || count % options_.stats_every != 0) return;
    const std::int64_t now = shm::monotonic_ns();
    const auto conflated = static_cast<unsigned long long>(end_.channel.stats().conflated);
    const auto sent = static_cast<unsigned long long>(sent_.count());
    const auto received = static_cast<unsigned long long>(received_.count());
    if (is_master_) {
      std::printf("[MASTER] Messages: sent=%llu (%.0f msg/sec), received=%llu (%.0f msg/sec), conflated=%llu\n", sent,
                  sent_.rate(now), received, received_.rate(now), conflated);
    } else {
      std::printf("[SLAVE] Messages: received=%llu, rate=%.0f msg/sec, conflated=%llu, sent=%llu\n", received,
                  received_.rate(now), conflated, sent);
    }
  }

  /// The other side's users are told to `rm -f /dev/shm/eshm_*`.
  void look_at_name() {
    const std::int64_t now = shm::monotonic_ns();
    if (orphaned_ || now - named_ns_ < kSecond) return;
    named_ns_ = now;
    orphaned_ = is_master_ && end_.channel.stats().orphaned;
    if (orphaned_) {
      std::printf("[MASTER] %s was removed or replaced: no new slave can find this channel; start again\n",
                  end_.channel.path().c_str());
    }
  }

  void print_books() const {
    const eshm::ChannelStats stats = end_.channel.stats();
    const double seconds = static_cast<double>(shm::monotonic_ns() - begun_ns_) / kSecond;
    std::printf(
        "%s Final statistics: sent=%llu, received=%llu, conflated=%llu%s, interrupted=%llu, reconnects=%llu, "
        "in %.1f s\n",
        end_.label.c_str(), static_cast<unsigned long long>(stats.written),
        static_cast<unsigned long long>(stats.received), static_cast<unsigned long long>(stats.conflated),
        stats.approximate ? " (approximate)" : "", static_cast<unsigned long long>(stats.interrupted),
        static_cast<unsigned long long>(stats.reconnects), seconds);
  }

  OpenEnd& end_;
  const EshmTalkOptions& options_;
  bool is_master_;
  bool answers_;  ///< A slave as in the original's demo: an acknowledgement for each message.
  double rate_;   ///< Of greetings; 0: none.
  LineBudget sent_lines_;
  LineBudget received_lines_;
  std::vector<std::byte> buffer_;
  Meter sent_;
  Meter received_;
  std::int64_t begun_ns_ = shm::monotonic_ns();
  std::int64_t due_ns_ = begun_ns_;
  std::int64_t named_ns_ = begun_ns_;
  bool orphaned_ = false;
  bool gave_up_ = false;
};

const char* name_of_role(eshm::Role role) {
  switch (role) {
    case eshm::Role::master: return "master";
    case eshm::Role::slave: return "slave";
    case eshm::Role::automatic: break;
  }
  return "auto";
}

std::string upper(std::string text) {
  for (char& letter : text) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return text;
}

}  // namespace

int eshm_talk(const EshmTalkOptions& options) {
  const std::size_t max_size = max_size_of(options.end);
  if (options.size > max_size) {
    throw Error("--size " + std::to_string(options.size) + " is more than the channel's --max-size, " +
                std::to_string(max_size));
  }
  prepare_to_stop(options.duration.empty() ? shm::Deadline::never()
                                           : shm::Deadline::after(parse_duration(options.duration)));
  const std::string role = name_of_role(options.end.role);
  std::printf("[%s] Starting high-performance %s process...\n", upper(role).c_str(), role.c_str());
  auto end = open_end(options.end);
  if (!end) return 0;
  const int code = Talk(*end, options).run();
  close_end(end);
  return code;
}

}  // namespace sluice::commands
