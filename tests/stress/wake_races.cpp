// wake_races MODE [--races N] [--readers N] [--seed N] [--reliability reliable|best_effort]
//
//   message                       a reader arms and sleeps, at the plugin interface
//   space                         a publisher waits for room in a full reliable topic
//   take_for, executor, descriptor, async     a subscription of a node waits for a message, in that way
//
// Prints how often somebody really slept; ends with 1 if a wake-up was lost.

#include "stress/wake_races.hpp"

#include <sys/resource.h>

#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <stdexcept>

#include <sluice/plugin.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/transport.hpp>

#include "slick/topic_file.hpp"
#include "support/child_process.hpp"
#include "support/temporary_directory.hpp"

extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor;  // of the plugin that is linked in

namespace sluice::stress {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kDepth = 4;

TopicSpec make_spec(const WakeOptions& options) {
  TopicSpec spec;
  spec.name = "/wake";
  spec.qos.reliability = options.reliable ? Reliability::reliable : Reliability::best_effort;
  spec.qos.depth = kDepth;
  spec.qos.max_blocking_time = 600s;
  spec.max_size = 64;
  for (const char* timeout : {"hole_timeout", "stall_timeout"}) spec.options[timeout] = {"300s", {}};
  spec.options["evict_after"] = {"600s", {}};
  return spec;
}

TransportContext context(const WakePlace& place) { return {place.directory, {}, {}}; }

void publish(Writer& writer, std::uint64_t number) {
  if (writer.publish_copy(std::as_bytes(std::span(&number, 1)), 0) != PublishResult::ok) {
    throw std::runtime_error("message " + std::to_string(number) + " was refused");
  }
}

void check_number(const TakenMessage& message, std::uint64_t expected) {
  std::uint64_t number = 0;
  std::memcpy(&number, message.data, sizeof number);
  if (number != expected) throw std::runtime_error("message " + std::to_string(number) + " out of order");
}

/// Sleeps once, as a subscription does, but looks up after a moment: was that sleep one too many?
void sleep_once(const WakePlace& place, Sleeper& log, const WaitFor& wait, std::uint64_t race) {
  log.sleeps.fetch_add_relaxed(1);
  while (shm::futex_wait(*wait.word, wait.expected, shm::Deadline::after(50ms)) == shm::WaitResult::timeout) {
    const bool over = place.shared.done.load_acquire() >= race;
    const bool changed = wait.word->load_acquire() != wait.expected;
    if (changed) return;
    (over ? log.lost : log.bounded).fetch_add_relaxed(1);
    if (log.lost.load_relaxed() >= kEnough) throw std::runtime_error("too many wake-ups were lost to go on");
    if (over) return;
  }
}

int reader(const WakePlace& place, std::uint32_t index) {
  const std::unique_ptr<Transport> transport(sluice_plugin_descriptor.create());
  const auto in = transport->open_reader(make_spec(place.options), context(place));
  Sleeper& log = place.shared.sleepers[index];
  place.shared.ready.fetch_add_seq_cst(1);
  Moment moment(place.options.seed * 100 + index);
  for (std::uint64_t race = 1; race <= place.options.races; ++race) {
    log.turn.store_release(race);
    moment.pass();
    for (;;) {
      if (const auto message = in->take()) {
        check_number(*message, race);
        in->release(*message);
        break;
      }
      if (const auto wait = in->arm()) {
        sleep_once(place, log, *wait, race);
      } else {
        log.seen.fetch_add_relaxed(1);
      }
    }
    log.races.store_relaxed(race);
  }
  return 0;
}

int publisher(const WakePlace& place) {
  const std::unique_ptr<Transport> transport(sluice_plugin_descriptor.create());
  const auto out = transport->open_writer(make_spec(place.options), context(place));
  place.shared.ready.fetch_add_seq_cst(1);
  wait_for(place.shared.ready, place.options.readers + 1);
  Moment moment(place.options.seed);
  for (std::uint64_t race = 1; race <= place.options.races; ++race) {
    for (std::uint32_t k = 0; k < place.options.readers; ++k) wait_for(place.shared.sleepers[k].turn, race);
    moment.pass();
    publish(*out, race);
    place.shared.done.store_release(race);
  }
  return 0;
}

/// Around the sleeps of a publisher without room: the word is `space`, what is done is the giving back.
class SpaceWatch final : public shm::SleepObserver {
 public:
  SpaceWatch(const WakePlace& place, const slick::TopicFile& file, const std::uint64_t& race)
      : shared_(place.shared), word_(file.control().space.word()), race_(race) {}

  void before_sleep() noexcept override {
    shared_.sleepers[0].sleeps.fetch_add_relaxed(1);
    before_ = word_.load_acquire();
  }
  [[nodiscard]] bool after_sleep() noexcept override {
    const bool over = shared_.done.load_acquire() >= race_;
    const std::uint32_t now = word_.load_acquire();
    if (now != before_ || (now & shm::Doorbell::kWaiting) == 0) return true;
    (over ? shared_.sleepers[0].lost : shared_.sleepers[0].bounded).fetch_add_relaxed(1);
    return true;
  }

 private:
  WakeShared& shared_;
  const shm::SharedAtomic<std::uint32_t>& word_;
  const std::uint64_t& race_;
  std::uint32_t before_ = 0;
};

/// Fills the topic, and asks for one message more.
int waiting_publisher(const WakePlace& place) {
  const std::unique_ptr<Transport> transport(sluice_plugin_descriptor.create());
  const TopicSpec spec = make_spec(place.options);
  const auto out = transport->open_writer(spec, context(place));
  const auto file = slick::TopicFile::open(spec, slick::parse_topic_options(spec), context(place));
  place.shared.ready.fetch_add_seq_cst(1);
  wait_for(place.shared.ready, 2);
  std::uint64_t race = 0;
  std::uint64_t number = 0;
  Moment moment(place.options.seed + 1);
  SpaceWatch watch(place, file, race);
  const shm::SleepScope scope(watch);
  Sleeper& log = place.shared.sleepers[0];
  while (++race <= place.options.races) {
    for (std::uint32_t k = 0; k + 1 < kDepth + (race == 1 ? 1 : 0); ++k) publish(*out, ++number);
    log.turn.store_release(race);
    moment.pass();
    const std::uint64_t slept = log.sleeps.load_relaxed();
    publish(*out, ++number);
    if (log.sleeps.load_relaxed() == slept) log.seen.fetch_add_relaxed(1);
    log.races.store_relaxed(race);
  }
  return 0;
}

/// Takes all and gives it back while the publisher goes to sleep.
int giving_reader(const WakePlace& place) {
  const std::unique_ptr<Transport> transport(sluice_plugin_descriptor.create());
  const auto in = transport->open_reader(make_spec(place.options), context(place));
  place.shared.ready.fetch_add_seq_cst(1);
  Moment moment(place.options.seed, {256, 512, 1024, 2048});  // a publisher without room spins before it sleeps
  std::uint64_t number = 0;
  for (std::uint64_t race = 1; race <= place.options.races; ++race) {
    wait_for(place.shared.sleepers[0].turn, race);
    moment.pass();
    for (std::uint32_t k = 0; k < kDepth; ++k) {
      const auto message = in->take();
      if (!message) throw std::runtime_error("the topic was not full");
      check_number(*message, ++number);
      in->release(*message);
    }
    (void)in->arm();  // as every reader that has nothing left: tells how far it is, in any case
    place.shared.done.store_release(race);
  }
  return 0;
}

/// Sleepers on one core, who wakes them on another: the kernel likes to put both on one, and there is no race then.
void stay_on_core(unsigned number) {
  cpu_set_t usable;
  if (::sched_getaffinity(0, sizeof usable, &usable) != 0) return;
  const unsigned wanted = number % static_cast<unsigned>(CPU_COUNT(&usable));
  unsigned seen = 0;
  for (unsigned core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &usable) || seen++ != wanted) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    ::sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

/// The body, and how often its thread gave up the processor of its own will.
int counted(Sleeper& log, const std::function<int()>& body) {
  stay_on_core(0);
  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_SELF, &before);
  const int code = body();
  ::getrusage(RUSAGE_SELF, &after);
  log.blocked.store_relaxed(static_cast<std::uint64_t>(after.ru_nvcsw - before.ru_nvcsw));
  return code;
}

void start(std::deque<test::ChildProcess>& children, const WakePlace& place) {
  auto& sleepers = place.shared.sleepers;
  if (place.options.mode == "space") {
    children.emplace_back([&] { return counted(sleepers[0], [&] { return waiting_publisher(place); }); });
    children.emplace_back([&] {
      stay_on_core(1);
      return giving_reader(place);
    });
    return;
  }
  const bool plain = place.options.mode == "message";
  for (std::uint32_t k = 0; k < place.options.readers; ++k) {
    children.emplace_back([&, k, plain] {
      return counted(sleepers[k], [&] { return plain ? reader(place, k) : node_reader(place, k); });
    });
  }
  children.emplace_back([&, plain] {
    stay_on_core(1);
    return plain ? publisher(place) : node_publisher(place);
  });
}

int run(const WakeOptions& options) {
  const test::TemporaryDirectory directory;
  WakeShared& shared = WakeShared::create();
  const WakePlace place{options, shared, directory.path()};
  std::deque<test::ChildProcess> children;
  start(children, place);
  int failed = 0;
  for (auto& child : children) {
    if (failed == 0 && child.wait() != 0) ++failed;  // who waits for it is killed
  }
  const std::uint32_t sleepers = options.mode == "space" ? 1 : options.readers;
  for (std::uint32_t k = 0; k < sleepers; ++k) {
    const auto of = [](const Word& word) { return static_cast<unsigned long long>(word.load_acquire()); };
    const Sleeper& log = shared.sleepers[k];
    std::printf("%s %u: races %llu, awake %llu, sleeps %llu (blocked %llu, ended by time %llu), lost wake-ups %llu\n",
                options.mode.c_str(), k, of(log.races), of(log.seen), of(log.sleeps), of(log.blocked), of(log.bounded),
                of(log.lost));
    if (log.lost.load_acquire() != 0 || log.races.load_acquire() != options.races) ++failed;
    // A race in which nobody sleeps is none.
    if (log.blocked.load_acquire() < options.races / 100) ++failed;
  }
  if (failed != 0) std::printf("FAILED\n");
  return failed == 0 ? 0 : 1;
}

WakeOptions parse(int argc, char** argv) {
  WakeOptions options;
  if (argc < 2) throw std::invalid_argument("MODE is missing");
  options.mode = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    if (key == "--reliability") {
      options.reliable = std::string(argv[i + 1]) == "reliable";
    } else if (key == "--races") {
      options.races = std::stoull(argv[i + 1]);
    } else if (key == "--readers") {
      options.readers = static_cast<std::uint32_t>(std::stoul(argv[i + 1]));
    } else if (key == "--seed") {
      options.seed = std::stoull(argv[i + 1]);
    } else {
      throw std::invalid_argument("unknown: " + key);
    }
  }
  if (options.readers < 1 || options.readers > kMostSleepers) throw std::invalid_argument("--readers is 1 to 8");
  return options;
}

}  // namespace

}  // namespace sluice::stress

int main(int argc, char** argv) {
  try {
    return sluice::stress::run(sluice::stress::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wake_races: %s\n", error.what());
    return 2;
  }
}
