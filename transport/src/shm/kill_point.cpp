#include <sluice/shm/kill_point.hpp>

#ifdef SLUICE_KILL_POINTS

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

namespace sluice::shm {

namespace {

struct Step {
  std::string point;
  std::uint64_t hit = 1;
  int signal = 0;
};

[[noreturn]] void refuse(const std::string& what) {
  std::fprintf(stderr, "kill points: %s\n", what.c_str());
  std::abort();
}

Step parse_step(const std::string& text) {
  const std::size_t first = text.find(':');
  const std::size_t second = text.find(':', first + 1);
  if (first == std::string::npos || second == std::string::npos) refuse("'" + text + "' is not POINT:HIT:kill|stop");
  const std::string fate = text.substr(second + 1);
  if (fate != "kill" && fate != "stop") refuse("'" + fate + "' is neither kill nor stop");
  return {text.substr(0, first), std::strtoull(text.c_str() + first + 1, nullptr, 10),
          fate == "kill" ? SIGKILL : SIGSTOP};
}

/// What this process has been told to do. Guarded by a mutex: several threads may reach points.
class Plan {
 public:
  static Plan& instance() {
    static Plan& plan = *new Plan;  // outlives static destruction, in which points are reached too
    return plan;
  }

  void reach(std::string_view name) {
    const std::lock_guard lock(mutex_);
    // A forked child has an environment, and a plan, of its own.
    if (process_ != ::getpid()) read_environment();
    KillPointCount* count = counts_ == nullptr ? nullptr : &counts_->of(kill_point_key(name));
    if (count != nullptr) count->hits.fetch_add_relaxed(1);
    if (next_ == steps_.size() || steps_[next_].point != name || ++hits_ < steps_[next_].hit) return;
    const int signal = steps_[next_++].signal;
    hits_ = 0;
    if (count != nullptr) (signal == SIGKILL ? count->killed : count->stopped).fetch_add_relaxed(1);
    // To this very thread, so that it is this one that stands here when the process stops.
    ::raise(signal);
  }

 private:
  void read_environment() {
    process_ = ::getpid();
    steps_.clear();
    next_ = hits_ = 0;
    if (const char* text = std::getenv("SLUICE_KILL_POINT")) {
      const std::string all = text;
      for (std::size_t begin = 0; begin < all.size();) {
        const std::size_t end = std::min(all.find(',', begin), all.size());
        steps_.push_back(parse_step(all.substr(begin, end - begin)));
        begin = end + 1;
      }
    }
    const char* path = std::getenv("SLUICE_KILL_POINT_COUNTS");
    if (path == nullptr || counts_ != nullptr) return;
    const int file = ::open(path, O_RDWR | O_CLOEXEC);
    void* memory = ::mmap(nullptr, sizeof(KillPointCounts), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) refuse("cannot map '" + std::string(path) + "'");
    ::close(file);
    counts_ = static_cast<KillPointCounts*>(memory);
  }

  std::mutex mutex_;
  pid_t process_ = 0;
  std::vector<Step> steps_;
  std::size_t next_ = 0;
  std::uint64_t hits_ = 0;
  KillPointCounts* counts_ = nullptr;
};

}  // namespace

void reach_kill_point(std::string_view name) noexcept { Plan::instance().reach(name); }

}  // namespace sluice::shm

#endif
