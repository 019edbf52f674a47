#include "commands/top.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <set>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/units.hpp>

#include "commands/interrupt.hpp"
#include "commands/terminal.hpp"
#include "commands/top_screen.hpp"

namespace sluice::commands {

namespace {

constexpr std::chrono::milliseconds kShortestPeriod{50};
constexpr std::chrono::milliseconds kFirstPeriod{250};  ///< Nobody wants to look at an empty screen.
constexpr std::chrono::milliseconds kLongestNap{50};    ///< Signals end a sleep, but not one that begins after them.

std::chrono::nanoseconds period_of(const TopOptions& options) {
  const auto period = parse_duration(options.period);
  if (period >= kShortestPeriod) return period;
  throw Error("--period: '" + options.period + "' is less than " + format_duration(kShortestPeriod) +
              ", the shortest period");
}

bool colours_wanted() {
  const char* no_colour = std::getenv("NO_COLOR");
  return no_colour == nullptr || *no_colour == '\0';
}

std::string title_of(const TopFrame& frame, const std::string& directory) {
  std::size_t late = 0;
  std::size_t lost = 0;
  for (const TopProcess& process : frame.processes) {
    late += process.liveliness == Liveliness::late ? 1 : 0;
    lost += process.liveliness == Liveliness::lost ? 1 : 0;
  }
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  std::array<char, 16> clock{};
  std::strftime(clock.data(), clock.size(), "%H:%M:%S", &parts);
  return std::string("sluice top  ") + clock.data() + "  " + std::to_string(frame.processes.size()) + " processes, " +
         std::to_string(late) + " late, " + std::to_string(lost) + " lost  " + std::to_string(frame.topics.size()) +
         " topics  " + printable(directory);
}

template <typename T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json json_of(const TopFrame& frame) {
  auto processes = nlohmann::ordered_json::array();
  for (const TopProcess& process : frame.processes) {
    processes.push_back({{"pid", process.pid},
                         {"name", process.name},
                         {"nodes", process.nodes},
                         {"cpu_percent", or_null(process.cpu)},
                         {"memory", or_null(process.memory)},
                         {"liveliness", to_string(process.liveliness)},
                         {"foreign", process.foreign}});
  }
  auto topics = nlohmann::ordered_json::array();
  for (const TopTopic& topic : frame.topics) {
    topics.push_back({{"topic", topic.name},
                      {"publishers", topic.publishers},
                      {"subscriptions", topic.subscriptions},
                      {"rate", topic.rate},
                      {"bytes_per_second", topic.bandwidth},
                      {"p50_ns", or_null(topic.median_ns)},
                      {"p99_ns", or_null(topic.p99_ns)},
                      {"lost", topic.lost},
                      {"skipped", topic.skipped},
                      {"queued", topic.queued}});
  }
  return {{"seconds", frame.seconds}, {"processes", processes}, {"topics", topics}};
}

/// Each file that is no usable record is named once.
void warn(const GraphSnapshot& graph, std::set<std::string>& warned) {
  for (const std::string& problem : graph.problems) {
    if (warned.insert(problem).second) std::fprintf(stderr, "warning: %s\n", problem.c_str());
  }
}

int print_frames(const Config& config, const TopOptions& options, bool json) {
  const auto period = period_of(options);
  const TopScreen screen(options.sort);
  stop_on_signals();
  std::set<std::string> warned;
  TopLook before = look_at_domain(config);
  for (std::uint64_t frames = 0; options.count == 0 || frames < options.count; ++frames) {
    const auto due = shm::Deadline::after(period);
    while (!due.passed() && !interrupted()) {
      const std::chrono::nanoseconds left{due.ns() - shm::monotonic_ns()};
      if (left.count() > 0) shm::sleep_for(std::min<std::chrono::nanoseconds>(left, kLongestNap));
    }
    if (interrupted()) break;
    TopLook now = look_at_domain(config);
    warn(now.graph, warned);
    const TopFrame frame = compare(before, now);
    std::cout << (json ? json_of(frame).dump() + "\n" : screen.batch(frame)) << std::flush;
    if (!std::cout) return 1;  // nobody reads any more
    before = std::move(now);
  }
  return 0;
}

int show_frames(const Config& config, const TopOptions& options) {
  const auto period = period_of(options);
  TopScreen screen(options.sort);
  Terminal terminal;
  TopLook before = look_at_domain(config);
  TopFrame frame = compare(before, before);
  auto due = shm::Deadline::after(std::min<std::chrono::nanoseconds>(period, kFirstPeriod));
  for (std::uint64_t frames = 0; options.count == 0 || frames < options.count;) {
    terminal.draw(screen.lines(frame, title_of(frame, config.domain().directory()), terminal.size(), colours_wanted()));
    const auto key = terminal.next(due);
    if (key == Key::quit) return 0;
    if (key) {
      screen.press(*key);
      continue;
    }
    due = shm::Deadline::after(period);
    if (screen.paused()) continue;
    TopLook now = look_at_domain(config);
    frame = compare(before, now);
    before = std::move(now);
    ++frames;
  }
  return 0;
}

}  // namespace

int top(const Common& common, const TopOptions& options) {
  const Config config = Config::load_or_environment(common.config_files);
  const bool plain = options.batch || common.json || !Terminal::available();
  return plain ? print_frames(config, options, common.json) : show_frames(config, options);
}

void add_top(CLI::App& app, Common& common, std::function<int()>& command) {
  static TopOptions options;
  auto* top = app.add_subcommand("top",
                                 "Show the domain's processes and topics, and what they do, again and again, without "
                                 "taking part; keys: q quit, s sort by the next column, r reverse, p processes, topics "
                                 "or both, space pause, arrows scroll");
  top->add_option("--period", options.period, "Between two looks, with a unit")->capture_default_str();
  top->add_option("-n,--count", options.count, "Stop after so many looks (default: at q or Ctrl-C)");
  top->add_option("--sort", options.sort,
                  "A column: pid, name, cpu, memory, state, nodes, topic, publishers, "
                  "subscriptions, rate, bandwidth, p50, p99, lost, skipped, queued");
  top->add_flag("--batch", options.batch, "Plain tables one behind the other, as where there is no terminal");
  top->add_option("--config", common.config_files,
                  "YAML files that say which domain (default: environment or domain 0)");
  top->add_flag("--json", common.json, "Print JSON, one object a line");
  top->callback([&] { command = [&common] { return sluice::commands::top(common, options); }; });
}

}  // namespace sluice::commands
