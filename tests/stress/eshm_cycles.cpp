/// eshm_cycles [takeover|new_segment|slave] [--cycles N] [--seed N]
///
/// One side of a channel is killed at a random moment, or leaves, and comes back, again and again. Whoever stays on the
/// other side must get a message of each life, whole and in order, and its books must be those of the lives' own logs.
#include "stress/eshm_cycles.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <thread>

#include <sluice/eshm/inspect.hpp>
#include <sluice/shm/deadline.hpp>

#include "stress/stress_process.hpp"

namespace sluice::stress {

namespace {

using test::eventually;

constexpr std::chrono::seconds kWatchdog{60};

struct Settings {
  std::vector<CycleWay> ways{CycleWay::takeover, CycleWay::new_segment, CycleWay::slave};
  std::size_t cycles = 20;
  std::uint64_t seed = 1;
};

Cycles& shared_cycles() {
  void* memory = ::mmap(nullptr, sizeof(Cycles), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
  return *::new (memory) Cycles{};
}

std::unique_ptr<Child> start(const std::function<int()>& body) {
  return std::make_unique<Child>(0, [&] {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    return body();
  });
}

void print(const char* what, std::vector<std::int64_t>& times) {
  if (times.empty()) return;
  std::sort(times.begin(), times.end());
  const auto at = [&](std::size_t percent) {
    return static_cast<double>(times[std::min(times.size() - 1, times.size() * percent / 100)]) / 1e6;
  };
  std::printf("  %-34s p50 %8.2f ms   p99 %8.2f ms   max %8.2f ms   (%zu)\n", what, at(50), at(99), at(100),
              times.size());
}

class Campaign {
 public:
  Campaign(CycleWay way, const Settings& settings)
      : way_(way), settings_(settings), random_(settings.seed), cycles_(shared_cycles()) {}
  Campaign(const Campaign&) = delete;
  Campaign& operator=(const Campaign&) = delete;
  ~Campaign() {
    ::munmap(&cycles_, sizeof(Cycles));
    ::unlink(path_.c_str());
  }

  int run() {
    std::printf("%s: %zu cycles, seed %llu\n", name_of(way_).c_str(), settings_.cycles,
                static_cast<unsigned long long>(settings_.seed));
    survivor_ = start([this] { return survive(name_, way_, cycles_); });
    for (index_ = 0; index_ <= settings_.cycles && verdict_.exit_code() == 0; ++index_) {
      begin_life();
      if (verdict_.exit_code() == 0) end_life(index_ == settings_.cycles);
    }
    require_books();
    print("dead or gone -> noticed", times_.noticed_death);
    print("stopped -> noticed", times_.noticed_stop);
    print("restarted -> reconnected", times_.back);
    print("restarted -> first message", times_.first_message);
    std::fflush(stdout);
    return verdict_.exit_code();
  }

 private:
  bool require(bool condition, const std::string& what) {
    verdict_.require(condition, name_of(way_) + ", life " + std::to_string(index_) + ": " + what);
    return condition;
  }

  [[nodiscard]] std::int64_t time_of(const Word& word) const { return static_cast<std::int64_t>(word.load_acquire()); }
  [[nodiscard]] bool later(const Word& word, std::int64_t than) const { return time_of(word) > than; }

  void pause_up_to(std::uint64_t microseconds) {
    std::this_thread::sleep_for(std::chrono::microseconds{random_() % microseconds});
  }

  void begin_life() {
    const std::int64_t begin = shm::monotonic_ns();
    life_ = start([this] { return live(name_, way_, cycles_, index_); });
    const Life& life = cycles_.lives[index_];
    require(eventually([&] { return life.first_ns.load_acquire() != 0; }, kWatchdog), "no message of it arrives");
    require(eventually([&] { return life.received.load_acquire() != 0; }, kWatchdog), "no message reaches it");
    require(eventually([&] { return later(cycles_.back_ns, begin); }, kWatchdog), "it is not seen to be alive");
    if (index_ == 0) return;
    times_.back.push_back(time_of(cycles_.back_ns) - time_of(life.began));
    times_.first_message.push_back(time_of(life.first_ns) - time_of(life.began));
  }

  void end_life(bool last) {
    pause_up_to(20'000);
    if (way_ == CycleWay::new_segment || last) return leave();
    if (random_() % 2 == 0) stop();
    const std::int64_t begin = shm::monotonic_ns();
    life_->signal(SIGKILL);
    if (!stopped_) await_notice(begin, times_.noticed_death);
    stopped_ = false;
    require(eventually([&] { return life_->ended(); }, kWatchdog) && life_->code == 128 + SIGKILL, "it was killed");
    pause_up_to(5'000);
  }

  void leave() {
    const std::int64_t begin = shm::monotonic_ns();
    cycles_.stop_life.store_release(1);
    await_notice(begin, times_.noticed_death);
    require(eventually([&] { return life_->ended(); }, kWatchdog) && life_->code == 0, "it leaves in order");
    cycles_.stop_life.store_release(0);
  }

  void stop() {
    const std::int64_t begin = shm::monotonic_ns();
    life_->signal(SIGSTOP);
    await_notice(begin, times_.noticed_stop);
    stopped_ = true;
  }

  void await_notice(std::int64_t begin, std::vector<std::int64_t>& times) {
    if (!require(eventually([&] { return later(cycles_.noticed_ns, begin); }, kWatchdog), "its end is not noticed")) {
      return;
    }
    times.push_back(time_of(cycles_.noticed_ns) - begin);
  }

  /// The last life has left in order, so what is completed is in its segment.
  void require_books() {
    const bool there = ::access(path_.c_str(), F_OK) == 0;
    const eshm::ChannelInfo info = there ? eshm::inspect_channel(name_) : eshm::ChannelInfo{};
    cycles_.stop_survivor.store_release(1);
    require(eventually([&] { return survivor_->ended(); }, kWatchdog) && survivor_->code == 0, "the survivor ends");
    require(cycles_.torn.load_acquire() == 0, std::to_string(cycles_.torn.load_acquire()) + " torn messages");
    require(cycles_.disorder.load_acquire() == 0, std::to_string(cycles_.disorder.load_acquire()) + " out of order");
    std::uint64_t completed = 0;
    std::uint64_t begun = 0;
    for (const Life& life : cycles_.lives) {
      completed += life.completed.load_acquire();
      begun += life.begun.load_acquire();
    }
    const std::uint64_t known = cycles_.received.load_acquire() + cycles_.conflated.load_acquire();
    require(completed <= known && known <= begun, "received + conflated is " + std::to_string(known) +
                                                      ", the logs say " + std::to_string(completed) + " to " +
                                                      std::to_string(begun));
    if (way_ != CycleWay::new_segment) {
      const auto& direction = way_ == CycleWay::slave ? info.slave_to_master : info.master_to_slave;
      require(there && known == direction.sequence / 2, "received + conflated is " + std::to_string(known) +
                                                            ", the segment says " +
                                                            std::to_string(direction.sequence / 2));
      require(way_ == CycleWay::slave || info.generation == settings_.cycles + 1, "each life is a generation");
    }
    require(static_cast<std::int64_t>(cycles_.descriptors.load_acquire()) <= 0, "the survivor keeps descriptors");
    require(cycles_.mappings.load_acquire() <= 1, "the survivor keeps mappings");
    (void)eshm::remove_dead_channel(path_);
    require(::access(path_.c_str(), F_OK) != 0, "a segment is left");
    std::printf("  %llu messages completed, %llu received, %llu conflated\n",
                static_cast<unsigned long long>(completed),
                static_cast<unsigned long long>(cycles_.received.load_acquire()),
                static_cast<unsigned long long>(cycles_.conflated.load_acquire()));
  }

  CycleWay way_;
  const Settings& settings_;
  std::mt19937_64 random_;
  Cycles& cycles_;
  std::string name_ = "sluice-test-" + std::to_string(::getpid());
  std::string path_ = eshm::segment_path(name_);
  std::unique_ptr<Child> survivor_;
  std::unique_ptr<Child> life_;
  std::size_t index_ = 0;
  bool stopped_ = false;
  Verdict verdict_;
  CycleTimes times_;
};

Settings parse(int argc, char** argv) {
  Settings settings;
  int next = 1;
  if (argc > 1 && argv[1][0] != '-') {
    std::erase_if(settings.ways, [&](CycleWay way) { return name_of(way) != argv[1]; });
    if (settings.ways.empty()) throw std::invalid_argument(std::string("unknown: ") + argv[1]);
    ++next;
  }
  for (; next + 1 < argc; next += 2) {
    const std::string key = argv[next];
    if (key != "--cycles" && key != "--seed") throw std::invalid_argument("unknown: " + key);
    (key == "--cycles" ? settings.cycles : settings.seed) = std::stoull(argv[next + 1]);
  }
  if (settings.cycles >= kMostLives) throw std::invalid_argument("too many cycles");
  return settings;
}

}  // namespace

}  // namespace sluice::stress

int main(int argc, char** argv) {
  try {
    const auto settings = sluice::stress::parse(argc, argv);
    int code = 0;
    for (const auto way : settings.ways) code |= sluice::stress::Campaign(way, settings).run();
    return code;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "eshm_cycles: %s\n", error.what());
    return 2;
  }
}
