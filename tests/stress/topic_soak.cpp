/// topic_soak [--seconds N] [--seed N]
///
/// Topics of every kind at once, with processes that are killed, stopped (also for longer than others wait for them),
/// told to leave, and started again, at random. Those that are never touched must get on, their books must be those of
/// the publishers' logs, and at the end nothing is lent, held or left.
#include "stress/topic_soak.hpp"

#include <cstdio>
#include <filesystem>

namespace sluice::stress {

namespace {

const std::vector<SoakedKind>& kinds() {
  static const std::vector<SoakedKind> all{
      {"inline_reliable", true, false, false, 0},        {"inline_best_effort", false, false, true, 0},
      {"chunks_reliable", true, true, true, 0},          {"chunks_best_effort", false, true, false, 0},
      {"chunks_reliable_history", true, true, false, 6}, {"chunks_best_effort_history", false, true, true, 6},
      {"inline_reliable_history", true, false, true, 8}};
  return all;
}

class Soak {
 public:
  Soak(std::uint64_t seconds, std::uint64_t seed) : seconds_(seconds), random_(seed), go_and_faults_(share<Count>(2)) {
    std::printf("%llu s, seed %llu\n", static_cast<unsigned long long>(seconds), static_cast<unsigned long long>(seed));
    for (const SoakedKind& kind : kinds()) {
      topics_.push_back(std::make_unique<SoakedTopic>(kind, directory_.path(), go_and_faults_, seed));
    }
    go_and_faults_->store_release(1);
  }

  int run() {
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::seconds{seconds_};
    const std::chrono::seconds period{std::clamp<std::uint64_t>(seconds_ / 4, 5, 60)};
    for (auto next = begin + period; Clock::now() < end && verdict_.exit_code() == 0;) {
      for (auto& topic : topics_) topic->tend(verdict_, misfortunes_);
      topics_[random_() % topics_.size()]->act(random_, misfortunes_);
      std::this_thread::sleep_for(std::chrono::milliseconds{random_() % 40});
      require_no_faults();
      if (Clock::now() < next) continue;
      next += period;
      for (auto& topic : topics_)
        verdict_.require(topic->got_on(), topic->name() + ": somebody untouched stands still");
      print(std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begin).count());
    }
    finish();
    return verdict_.exit_code();
  }

 private:
  using Clock = std::chrono::steady_clock;

  void require_no_faults() { verdict_.require(go_and_faults_[1].load_acquire() == 0, "see above"); }

  void print(std::int64_t seconds) {
    std::uint64_t sent = 0;
    for (const auto& topic : topics_) sent += topic->sent();
    std::printf(
        "%5lld s: %llu messages sent, %llu kills, %llu stops, %llu leaves, %llu starts\n",
        static_cast<long long>(seconds), static_cast<unsigned long long>(sent),
        static_cast<unsigned long long>(misfortunes_.kills), static_cast<unsigned long long>(misfortunes_.stops),
        static_cast<unsigned long long>(misfortunes_.leaves), static_cast<unsigned long long>(misfortunes_.starts));
    std::fflush(stdout);
  }

  void finish() {
    for (auto& topic : topics_) {
      verdict_.require(topic->end(verdict_), topic->name() + ": somebody does not end");
      if (verdict_.exit_code() != 0) return;
      topic->check(verdict_);
      topic->check_leftovers(verdict_);
    }
    require_no_faults();
    verdict_.require(std::filesystem::is_empty(directory_.path()), "something was left behind");
    std::printf("%s\n", verdict_.exit_code() == 0 ? "nothing is left" : "FAILED");
  }

  std::uint64_t seconds_;
  std::mt19937_64 random_;
  const test::TemporaryDirectory directory_;
  Count* go_and_faults_;
  std::vector<std::unique_ptr<SoakedTopic>> topics_;
  Misfortunes misfortunes_;
  Verdict verdict_;
};

}  // namespace

}  // namespace sluice::stress

int main(int argc, char** argv) {
  std::uint64_t seconds = 20;
  std::uint64_t seed = 1;
  try {
    for (int i = 1; i < argc; i += 2) {
      const std::string key = argv[i];
      if ((key != "--seconds" && key != "--seed") || i + 1 == argc)
        throw std::invalid_argument("unknown or incomplete: " + key);
      (key == "--seconds" ? seconds : seed) = std::stoull(argv[i + 1]);
    }
    return sluice::stress::Soak(seconds, seed).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "topic_soak: %s\n", error.what());
    return 2;
  }
}
