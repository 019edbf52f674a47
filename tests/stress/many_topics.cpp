// many_topics [--topics N] [--messages N] [--races N] [--idle SECONDS]
//
// Hundreds of subscriptions in one executor: more than one futex_waitv call takes, so helper threads sleep as well. Two
// publishers' processes send `messages` on every topic as fast as they can, then one of them single ones on a random
// topic, each when the last one was answered: a wake-up that is lost there is a second's wait.

#include <sys/resource.h>

#include <cstdio>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <stdexcept>
#include <vector>

#include <sluice/shm/wait_set.hpp>
#include <sluice/sluice.hpp>

#include "stress/wake_races.hpp"
#include "support/child_process.hpp"
#include "support/temporary_directory.hpp"

namespace sluice::stress {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kPublishers = 2;

struct Options {
  std::uint64_t topics = 500;
  std::uint64_t messages = 20;
  std::uint64_t races = 2'000;
  std::uint64_t idle = 0;
};

struct Numbered {
  std::uint64_t publisher;
  std::uint64_t number;
};

struct Shared {
  Word answered;  ///< Messages of the second part that the subscriber had.
  Word late;      ///< Of those that waited for kLate before it had them: lost wake-ups.
  Word sent_ns;
  Word disorder;
  Word received;
  Word lost;
  Word publishers_done;
};

NodeOptions node_options(const std::string& directory) {
  NodeOptions options;
  options.handle_signals = false;
  options.config = Config::parse("runtime_dir: " + directory +
                                     "\ntopics: {/**: {reliability: reliable, depth: 16, max_blocking_time: 300s, "
                                     "evict_after: 600s, stall_timeout: 300s}}\n",
                                 "many_topics");
  return options;
}

std::string topic(std::uint64_t k) { return "topic" + std::to_string(k); }

/// The threads of this process that the executor needs, beside the program's own and the control thread.
std::uint64_t helpers_of(std::uint64_t topics) {
  if (!shm::WaitSet::kernel_has_futex_waitv() || topics <= shm::WaitSet::kGroup) return 0;
  return (topics - 1) / shm::WaitSet::kGroup;
}

std::uint64_t threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::uint64_t>(std::distance(begin(tasks), end(tasks)));
}

class Subscriber {
 public:
  Subscriber(const Options& options, Shared& shared, const std::string& directory)
      : options_(options), shared_(shared), node_("subscriber", node_options(directory)), next_(options.topics) {
    for (std::uint64_t k = 0; k < options.topics; ++k) {
      topics_.push_back(node_.subscribe<Numbered>(topic(k), [this, k](const Numbered& message) { take(k, message); }));
    }
    executor_.add(node_);
  }

  int run() {
    const std::uint64_t all = options_.topics * options_.messages * kPublishers + options_.races;
    while (shared_.received.load_relaxed() < all) executor_.spin_once(1s);
    for (const auto& subscription : topics_) shared_.lost.fetch_add_relaxed(subscription.stats().lost);
    const std::uint64_t found = threads();
    const std::uint64_t expected = 2 + helpers_of(options_.topics);
    std::printf("subscriber: %llu threads, %llu of them helpers\n", static_cast<unsigned long long>(found),
                static_cast<unsigned long long>(helpers_of(options_.topics)));
    idle();
    return found == expected ? 0 : 1;
  }

 private:
  void take(std::uint64_t k, const Numbered& message) {
    std::uint64_t& expected = next_[k][message.publisher];
    if (message.publisher >= kPublishers) {
      const auto waited = shm::monotonic_ns() - static_cast<std::int64_t>(shared_.sent_ns.load_acquire());
      if (waited > kLate) shared_.late.fetch_add_relaxed(1);
      shared_.answered.store_release(message.number);
    } else if (message.number != expected++) {
      shared_.disorder.fetch_add_relaxed(1);
    }
    shared_.received.fetch_add_relaxed(1);
  }

  /// What waiting costs while nothing comes.
  void idle() {
    if (options_.idle == 0) return;
    const auto microseconds = [] {
      rusage usage{};
      ::getrusage(RUSAGE_SELF, &usage);
      return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 + usage.ru_utime.tv_usec +
             usage.ru_stime.tv_usec;
    };
    const auto before = microseconds();
    (void)executor_.spin_for(std::chrono::seconds{options_.idle});
    std::printf("idle: %.2f %% of a core\n",
                static_cast<double>(microseconds() - before) / static_cast<double>(options_.idle) / 1e4);
  }

  const Options& options_;
  Shared& shared_;
  Node node_;
  std::vector<std::map<std::uint64_t, std::uint64_t>> next_;
  std::deque<Subscription<Numbered>> topics_;
  Executor executor_;
};

void send(Publisher<Numbered>& to, const Numbered& message) {
  if (to.publish(message) != PublishResult::ok) throw std::runtime_error("a message was refused");
}

int publish_all(const Options& options, Shared& shared, const std::string& directory, std::uint32_t index) {
  Node node("publisher" + std::to_string(index), node_options(directory));
  std::deque<Publisher<Numbered>> out;
  for (std::uint64_t k = 0; k < options.topics; ++k) out.push_back(node.advertise<Numbered>(topic(k)));
  for (auto& one : out) {
    if (!one.wait_for_subscribers(1, 120s)) return 3;
  }
  for (std::uint64_t number = 0; number < options.messages; ++number) {
    for (auto& one : out) send(one, {index, number});
  }
  shared.publishers_done.fetch_add_seq_cst(1);
  if (index != 0) return 0;
  wait_for(shared.publishers_done, kPublishers);
  std::mt19937_64 random(1);
  Moment moment(2, {64, 512, 2048, 4096});
  for (std::uint64_t number = 1; number <= options.races; ++number) {
    moment.pass();
    shared.sent_ns.store_release(static_cast<std::uint64_t>(shm::monotonic_ns()));
    send(out[random() % options.topics], {kPublishers, number});
    wait_for(shared.answered, number);
  }
  return 0;
}

int run(const Options& options) {
  const test::TemporaryDirectory directory;
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
  Shared& shared = *::new (memory) Shared{};
  std::deque<test::ChildProcess> children;
  children.emplace_back([&] { return Subscriber(options, shared, directory.path()).run(); });
  for (std::uint32_t index = 0; index < kPublishers; ++index) {
    children.emplace_back([&, index] { return publish_all(options, shared, directory.path(), index); });
  }
  bool failed = false;
  for (auto& child : children) failed = child.wait() != 0 || failed;
  const auto of = [](const Word& word) { return static_cast<unsigned long long>(word.load_acquire()); };
  std::printf("%llu topics: received %llu, lost %llu, out of order %llu; one at a time %llu, lost wake-ups %llu\n",
              static_cast<unsigned long long>(options.topics), of(shared.received), of(shared.lost),
              of(shared.disorder), of(shared.answered), of(shared.late));
  failed = failed || of(shared.lost) != 0 || of(shared.disorder) != 0 || of(shared.late) != 0;
  if (failed) std::printf("FAILED\n");
  return failed ? 1 : 0;
}

Options parse(int argc, char** argv) {
  Options options;
  const std::map<std::string, std::uint64_t*> settings{{"--topics", &options.topics},
                                                       {"--messages", &options.messages},
                                                       {"--races", &options.races},
                                                       {"--idle", &options.idle}};
  for (int i = 1; i < argc; i += 2) {
    const auto setting = settings.find(argv[i]);
    if (setting == settings.end() || i + 1 == argc) throw std::invalid_argument(std::string("unknown: ") + argv[i]);
    *setting->second = std::stoull(argv[i + 1]);
  }
  return options;
}

}  // namespace

}  // namespace sluice::stress

int main(int argc, char** argv) {
  try {
    return sluice::stress::run(sluice::stress::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "many_topics: %s\n", error.what());
    return 2;
  }
}
