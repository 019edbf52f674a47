/// pool_stress --reliability reliable|best_effort [--messages N] [--max-size BYTES] [--publishers N] [--seed N] ...
///
/// Real processes on one topic with a chunk pool: publishers send messages of 0 bytes to max-size by copy, by loan and
/// in batches; two subscriptions are there from the start, two are a group, one comes and goes and is given history.
/// Everything that publishers sent is compared with what arrived, message by message.
#include <cstdio>
#include <filesystem>
#include <map>

#include "stress/stress_process.hpp"
#include "stress/topic_traffic.hpp"

namespace sluice::stress {

namespace {

struct PoolOptions {
  bool reliable = true;
  std::uint64_t publishers = 4;
  std::uint64_t messages = 20'000;  ///< In all.
  std::uint64_t max_size = std::uint64_t{8} << 20U;
  std::uint64_t depth = 32;
  std::uint64_t history = 4;
  std::uint64_t pause_us = 0;
  std::uint64_t watchdog = 300;  ///< Seconds.
  std::uint64_t seed = 1;
};

PoolOptions parse(int argc, char** argv) {
  PoolOptions options;
  const std::map<std::string, std::uint64_t*> numbers{
      {"--publishers", &options.publishers}, {"--messages", &options.messages}, {"--max-size", &options.max_size},
      {"--depth", &options.depth},           {"--history", &options.history},   {"--pause-us", &options.pause_us},
      {"--watchdog", &options.watchdog},     {"--seed", &options.seed}};
  for (int i = 1; i < argc; i += 2) {
    const std::string key = argv[i];
    if (i + 1 == argc) throw std::invalid_argument("incomplete: " + key);
    if (key == "--reliability") {
      options.reliable = std::string(argv[i + 1]) == "reliable";
    } else {
      const auto number = numbers.find(key);
      if (number == numbers.end()) throw std::invalid_argument("unknown: " + key);
      *number->second = std::stoull(argv[i + 1]);
    }
  }
  return options;
}

TopicSpec make_pool_spec(const PoolOptions& options) {
  TopicSpec spec;
  spec.name = "/pool_stress";
  spec.qos.reliability = options.reliable ? Reliability::reliable : Reliability::best_effort;
  spec.qos.depth = static_cast<std::uint32_t>(options.depth);
  spec.qos.durability = options.history > 0 ? Durability::transient_local : Durability::volatile_;
  spec.qos.history = static_cast<std::uint32_t>(options.history);
  spec.qos.max_blocking_time = std::chrono::seconds{1};
  spec.max_size = options.max_size;
  const auto set = [&](const char* key, const std::string& value) { spec.options[key] = {value, {}}; };
  set("inline_limit", "1KiB");
  set("max_publishers", std::to_string(options.publishers));
  set("max_subscribers", "8");
  if (options.max_size > std::uint64_t{1} << 20U) {
    set("chunks", "64 x 64KiB, 24 x 1MiB, 12 x " + std::to_string((options.max_size + 1023) / 1024) + "KiB");
  }
  // Nobody dies here. Neither a publisher nor a reader that is merely preempted shall be given up.
  set("hole_timeout", "300s");
  set("stall_timeout", "300s");
  set("evict_after", "600s");
  return spec;
}

constexpr std::size_t kLonely = 2;   ///< Subscriptions from the start,
constexpr std::size_t kMembers = 2;  ///< members of a group,
constexpr std::size_t kLate = 1;     ///< and one that comes and goes.
constexpr std::size_t kReaders = kLonely + kMembers + kLate;

/// The parent's side.
class Run {
 public:
  explicit Run(const PoolOptions& options)
      : options_(options),
        per_publisher_(options.messages / options.publishers),
        ids_(options.publishers + 2),
        traffic_{make_pool_spec(options), directory_.path(), TopicLog(ids_, per_publisher_)},
        processes_(share<ProcessLog>(kReaders + options.publishers)) {
    traffic_.pause_us = options.pause_us;
    traffic_.go = share<Count>(2);
    traffic_.faults = traffic_.go + 1;
    for (std::size_t k = 0; k < kLonely + 2; ++k) received_.emplace_back(ids_, per_publisher_);
  }

  int run() {
    std::printf("%s, %llu publishers, %llu messages of up to %llu bytes, seed %llu\n",
                options_.reliable ? "reliable" : "best_effort", number(options_.publishers), number(options_.messages),
                number(options_.max_size), number(options_.seed));
    children_.reserve(kReaders + options_.publishers);
    for (std::size_t k = 0; k < kReaders; ++k) start_reader(k);
    if (!all_alive(kReaders)) return verdict_.exit_code();
    for (std::size_t k = 0; k < options_.publishers; ++k) start_publisher(k);
    if (!all_alive(kReaders + options_.publishers)) return verdict_.exit_code();
    const auto begin = std::chrono::steady_clock::now();
    traffic_.go->store_release(1);
    const std::span<Child> all(children_);
    if (!ended(all.subspan(kReaders), "publishers")) return verdict_.exit_code();
    for (std::size_t k = 0; k < kReaders; ++k) processes_[k].stop.store_release(1);
    if (!ended(all.first(kReaders), "subscriptions")) return verdict_.exit_code();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    check();
    std::printf("%.1f s\n", took.count());
    return verdict_.exit_code();
  }

 private:
  static unsigned long long number(std::uint64_t value) { return value; }

  [[nodiscard]] Subscriber subscriber(std::size_t k) const {
    if (k < kLonely) return {received_[k]};
    if (k < kLonely + kMembers) return {received_[kLonely], "workers"};
    return {received_[kLonely + 1], {}, true};
  }

  void start_reader(std::size_t k) {
    children_.emplace_back(static_cast<std::uint32_t>(k), [this, k] {
      return receive_messages(traffic_, processes_[k], subscriber(k), options_.seed * 1000 + k);
    });
  }

  void start_publisher(std::size_t k) {
    ProcessLog& log = processes_[kReaders + k];
    children_.emplace_back(static_cast<std::uint32_t>(kReaders + k), [this, k, &log] {
      return publish_messages(traffic_, log, per_publisher_, options_.seed * 2000 + k);
    });
  }

  bool all_alive(std::size_t count) {
    const bool alive = test::eventually([&] {
      for (std::size_t k = 0; k < count; ++k) {
        if (processes_[k].alive.load_acquire() == 0) return false;
      }
      return true;
    });
    verdict_.require(alive, "not everybody started");
    return alive;
  }

  bool ended(std::span<Child> children, const char* who) {
    const auto all = [&] {
      bool ended = true;
      for (Child& child : children) ended = child.ended() && ended;
      return ended;
    };
    const bool done = test::eventually(all, std::chrono::seconds{options_.watchdog});
    verdict_.require(done, std::string("the ") + who + " are stuck");
    for (Child& child : children) {
      if (done)
        verdict_.require(child.code == 0,
                         "process " + std::to_string(child.index) + " ended with " + std::to_string(child.code));
    }
    return done;
  }

  void check() {
    verdict_.require(traffic_.faults->load_acquire() == 0, "see above");
    const TopicLog& log = traffic_.log;
    sent_ = log.sent.size(ids_);
    uncertain_ = log.uncertain.size(ids_);
    verdict_.require(sent_ + uncertain_ == per_publisher_ * options_.publishers,
                     "the publishers' logs are not complete");
    verdict_.require(log.begun.size_without(ids_, &log.sent) >= uncertain_, "sent what was not begun");
    verdict_.require(!options_.reliable || uncertain_ == 0, "reliable, and uncertain");
    for (std::size_t k = 0; k < kLonely; ++k) check_books("subscription " + std::to_string(k), received_[k], k, 1);
    check_books("group", received_[kLonely], kLonely, kMembers);
    std::uint64_t refused = 0;
    for (std::size_t k = kReaders; k < children_.size(); ++k) refused += processes_[k].refused.load_acquire();
    std::printf("%llu sent, %llu uncertain, %llu refused\n", number(sent_), number(uncertain_), number(refused));
    verdict_.require(std::filesystem::is_empty(directory_.path()), "the topic's file was left behind");
  }

  /// The books of processes `first` to `first + count`, one subscription together, against the logs.
  void check_books(const std::string& who, const MessageSet& got, std::size_t first, std::size_t count) {
    std::uint64_t received = 0;
    std::uint64_t lost = 0;
    std::uint64_t skipped = 0;
    for (std::size_t k = first; k < first + count; ++k) {
      received += processes_[k].received.load_acquire();
      lost += processes_[k].lost.load_acquire();
      skipped += processes_[k].skipped.load_acquire();
      verdict_.require(processes_[k].evictions.load_acquire() == 0, who + " was evicted");
    }
    const std::uint64_t positions = processes_[first].reserved.load_acquire() - processes_[first].joined.load_acquire();
    const std::uint64_t missing =
        traffic_.log.sent.size_without(ids_, &got) + traffic_.log.uncertain.size_without(ids_, &got);
    const std::uint64_t empty = positions - sent_ - uncertain_;  // jumps that belong to no message
    verdict_.require(received == got.size(ids_),
                     who + " counted " + std::to_string(received) + ", and has " + std::to_string(got.size(ids_)));
    verdict_.require(received + lost + skipped == positions, who + ": the parts do not add up to the positions");
    verdict_.require(lost + skipped == missing + empty,
                     who + ": lost " + std::to_string(lost) + " + skipped " + std::to_string(skipped) +
                         ", by the logs missing " + std::to_string(missing) + " + empty " + std::to_string(empty));
    verdict_.require(skipped <= uncertain_ + empty, who + " skipped what was sent");
    if (options_.reliable)
      verdict_.require(missing == 0 && lost == 0, who + ": reliable, and misses " + std::to_string(missing));
    std::printf("%s: received %llu lost %llu skipped %llu\n", who.c_str(), number(received), number(lost),
                number(skipped));
  }

  const PoolOptions options_;
  const test::TemporaryDirectory directory_;
  const std::uint64_t per_publisher_;
  const std::uint64_t ids_;  ///< Publishers' identities begin at 1.
  Traffic traffic_;
  ProcessLog* processes_;
  std::vector<MessageSet> received_;
  std::vector<Child> children_;
  std::uint64_t sent_ = 0;
  std::uint64_t uncertain_ = 0;
  Verdict verdict_;
};

}  // namespace

}  // namespace sluice::stress

int main(int argc, char** argv) {
  try {
    return sluice::stress::Run(sluice::stress::parse(argc, argv)).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pool_stress: %s\n", error.what());
    return 2;
  }
}
