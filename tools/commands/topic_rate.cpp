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

using Print = void (*)(const Common& common, const MessageWindow& window, std::uint64_t missed);

/// Prints once a second what has come meanwhile, until Ctrl-C or the end of `options.duration`.
int watch(const Common& common, const TopicWatchOptions& options, Print print) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  stop_on_signals();
  ObservedTopic topic(common, options.topic, Observed::headers);
  MessageWindow window(options.window);
  const auto end =
      options.seconds > 0
          ? shm::Deadline::after(std::chrono::nanoseconds{static_cast<std::int64_t>(options.seconds * 1e9)})
          : shm::Deadline::never();
  std::uint64_t received = 0;
  while (!interrupted() && !end.passed()) {
    const std::uint64_t before = received;
    const auto report = earlier(end, shm::Deadline::after(kReportPeriod));
    while (const auto message = topic.next(report)) {
      window.add(*message, shm::monotonic_ns());
      topic.release(*message);
      ++received;
      if (report.passed()) break;
    }
    if (received != before && received > 1) print(common, window, topic.stats().lost);
  }
  if (topic.stats().lost != 0) {
    std::fprintf(stderr, "missed %llu messages while looking\n", static_cast<unsigned long long>(topic.stats().lost));
  }
  if (received == 0) std::fprintf(stderr, "no messages on '%s'\n", topic.name().c_str());
  return received == 0 ? 1 : 0;
}

}  // namespace

int topic_hz(const Common& common, const TopicWatchOptions& options) { return watch(common, options, print_rate); }

int topic_bw(const Common& common, const TopicWatchOptions& options) { return watch(common, options, print_bandwidth); }

}  // namespace sluice::commands
