#include <array>
#include <cstdio>
#include <iostream>

#include <nlohmann/json.hpp>

#include "commands/interrupt.hpp"
#include "commands/message_window.hpp"
#include "commands/observed_topic.hpp"

namespace sluice::commands {

namespace {

constexpr std::chrono::seconds kReportPeriod{1};
/// What is measured includes the observer's own pause.
constexpr std::chrono::microseconds kDelayPause{100};

/// In the words of `ros2 topic hz`.
void print_rate(const Common& common, const MessageWindow& window, std::uint64_t missed) {
  const MessageWindow::Rate rate = window.rate();
  if (common.json) {
    const nlohmann::json json{{"rate", rate.per_second},   {"min", rate.shortest},  {"max", rate.longest},
                              {"std_dev", rate.deviation}, {"window", rate.window}, {"missed", missed}};
    std::cout << json.dump() << std::endl;
    return;
  }
  std::printf("average rate: %.3f\n\tmin: %.3fs max: %.3fs std dev: %.5fs window: %zu\n", rate.per_second,
              rate.shortest, rate.longest, rate.deviation, rate.window);
}

/// As ROS 2 counts: 1 KB is 1000 bytes.
std::string scaled(double bytes) {
  std::array<char, 32> text{};
  if (bytes >= 1e6) {
    std::snprintf(text.data(), text.size(), "%.2f MB", bytes / 1e6);
  } else if (bytes >= 1e3) {
    std::snprintf(text.data(), text.size(), "%.2f KB", bytes / 1e3);
  } else {
    std::snprintf(text.data(), text.size(), "%.0f B", bytes);
  }
  return text.data();
}

/// In the words of `ros2 topic bw`.
void print_bandwidth(const Common& common, const MessageWindow& window, std::uint64_t missed) {
  const MessageWindow::Sizes sizes = window.sizes(shm::monotonic_ns());
  if (common.json) {
    const nlohmann::json json{{"bytes_per_second", sizes.per_second},
                              {"mean", sizes.mean},
                              {"min", sizes.smallest},
                              {"max", sizes.largest},
                              {"window", sizes.messages},
                              {"missed", missed}};
    std::cout << json.dump() << std::endl;
    return;
  }
  std::printf("%s/s from %zu messages\n\tMessage size mean: %s min: %s max: %s\n", scaled(sizes.per_second).c_str(),
              sizes.messages, scaled(sizes.mean).c_str(), scaled(static_cast<double>(sizes.smallest)).c_str(),
              scaled(static_cast<double>(sizes.largest)).c_str());
}

/// In the words of `ros2 topic delay`, and two percentiles.
void print_delay(const Common& common, const MessageWindow& window, std::uint64_t missed) {
  const MessageWindow::Delays delays = window.delays();
  if (delays.messages == 0) return;
  if (common.json) {
    const nlohmann::json json{{"mean", delays.mean},         {"min", delays.shortest}, {"max", delays.longest},
                              {"std_dev", delays.deviation}, {"p50", delays.median},   {"p99", delays.p99},
                              {"window", delays.messages},   {"missed", missed}};
    std::cout << json.dump() << std::endl;
    return;
  }
  std::printf("average delay: %.6f\n\tmin: %.6fs max: %.6fs std dev: %.6fs p50: %.6fs p99: %.6fs window: %zu\n",
              delays.mean, delays.shortest, delays.longest, delays.deviation, delays.median, delays.p99,
              delays.messages);
}

using Print = void (*)(const Common& common, const MessageWindow& window, std::uint64_t missed);

/// What differs between the commands.
struct Watch {
  Print print;
  std::uint64_t least;  ///< Messages, before there is something to print.
  bool needs_times;     ///< Messages must say when they were published.
};

/// Takes what comes until `report`; how many messages. Stops at the first that lacks a time and needs one.
std::uint64_t take_until(shm::Deadline report, ObservedTopic& topic, MessageWindow& window, bool needs_times,
                         bool& timeless) {
  std::uint64_t received = 0;
  while (const auto message = topic.next(report)) {
    window.add(*message, shm::monotonic_ns());
    timeless = needs_times && message->info.published_ns == 0;
    topic.release(*message);
    ++received;
    if (timeless || report.passed()) break;
  }
  return received;
}

int say_timeless(const std::string& name, const char* because) {
  std::fprintf(stderr, "topic '%s': its messages do not say when they were published: %s\n", name.c_str(), because);
  return 1;
}

/// Prints once a second what has come meanwhile, until Ctrl-C, the end of `options.seconds` or so many messages.
int watch(const Common& common, const TopicWatchOptions& options, const Watch& how) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  stop_on_signals();
  ObservedTopic topic(common, options.topic, Observed::headers);
  if (how.needs_times) topic.look_every(kDelayPause);
  MessageWindow window(options.window);
  const auto end =
      options.seconds > 0
          ? shm::Deadline::after(std::chrono::nanoseconds{static_cast<std::int64_t>(options.seconds * 1e9)})
          : shm::Deadline::never();
  std::uint64_t received = 0;
  std::uint64_t reports = 0;
  while (!interrupted() && !end.passed() && (options.reports == 0 || reports < options.reports)) {
    bool timeless = false;
    const auto report = earlier(end, shm::Deadline::after(kReportPeriod));
    const std::uint64_t before = received;
    received += take_until(report, topic, window, how.needs_times, timeless);
    if (timeless) return say_timeless(topic.name(), "its publishers have 'timestamps: off'");
    if (received == before || received < how.least) continue;
    how.print(common, window, topic.stats().lost);
    ++reports;
  }
  if (topic.stats().lost != 0) {
    std::fprintf(stderr, "missed %llu %s while looking\n", static_cast<unsigned long long>(topic.stats().lost),
                 topic.unit());
  }
  if (received == 0) std::fprintf(stderr, "no messages on '%s'\n", topic.name().c_str());
  return received == 0 ? 1 : 0;
}

}  // namespace

int topic_hz(const Common& common, const TopicWatchOptions& options) {
  return watch(common, options, {print_rate, 2, false});
}

int topic_bw(const Common& common, const TopicWatchOptions& options) {
  return watch(common, options, {print_bandwidth, 2, false});
}

int topic_delay(const Common& common, const TopicWatchOptions& options) {
  const Config config = Config::load_or_environment(common.config_files);
  TransportRegistry transports(config.domain().plugin_path);
  const NamedTopic topic = find_topic(config, transports, options.topic);
  if (topic.foreign) {
    return say_timeless(topic.spec.name, "it is shared with programs without Sluice, whose format has no place for it");
  }
  return watch(common, options, {print_delay, 1, true});
}

}  // namespace sluice::commands
