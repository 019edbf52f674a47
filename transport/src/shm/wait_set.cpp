#include <sluice/shm/wait_set.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <thread>

#include <sluice/shm/sleep.hpp>

namespace sluice::shm {

namespace {

constexpr std::size_t kKernelLimit = FUTEX_WAITV_MAX;
static_assert(kKernelLimit == WaitSet::kGroup + 1, "one place is for our own interrupt word");

constexpr std::chrono::milliseconds kPollPeriod{1};

class FutexVector {
 public:
  void add(const SharedAtomic<std::uint32_t>& word, std::uint32_t expected) noexcept {
    futex_waitv& entry = entries_[count_++];
    entry = {};
    entry.val = expected;
    entry.uaddr = reinterpret_cast<std::uintptr_t>(word.address());
    entry.flags = FUTEX_32;
  }

  /// The errno of the call, 0 when a word was woken.
  [[nodiscard]] int wait(Deadline deadline) noexcept {
    timespec until = deadline.as_timespec();
    const ObservedSleep observed;
    const long result =
        ::syscall(SYS_futex_waitv, entries_.data(), count_, 0, deadline.is_never() ? nullptr : &until, CLOCK_MONOTONIC);
    return result >= 0 ? 0 : errno;
  }

 private:
  std::array<futex_waitv, kKernelLimit> entries_;
  unsigned count_ = 0;
};

}  // namespace

bool WaitSet::kernel_has_futex_waitv() noexcept {
  static const bool has = [] {
    // A call with no entries is refused with EINVAL by a kernel that knows it, with ENOSYS or EPERM by one that
    // doesn't.
    return ::syscall(SYS_futex_waitv, nullptr, 0, 0, nullptr, CLOCK_MONOTONIC) == -1 && errno == EINVAL;
  }();
  return has;
}

/// Parks on one further group, and stays parked from one wait to the next while the group is kept and none of its words
/// has changed, so that a busy word costs the helpers of the others nothing. A group is handed over under a mutex (the
/// caller is about to sleep anyhow); the helper works on its own copy, so that nobody has to wait for it to let go.
///
/// Who writes: `entries_`, `quit_`, `generation_` the caller, under the mutex; `left_` the helper.
class WaitSet::Helper {
 public:
  explicit Helper(WaitSet& owner) : owner_(owner), thread_([this] { run(); }) {}
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  ~Helper() {
    hand_over({}, true);
    thread_.join();
  }

  /// Afterwards the helper is parked on these, or has interrupted the owner, or is about to do either.
  void watch(std::span<const Entry> entries) {
    if (!is_parked_on(entries)) hand_over(entries, false);
  }

 private:
  /// SYNC left→interrupt: the helper says that it has left before it interrupts. Whoever sees it here hands over; who
  /// does not is interrupted after this, that is in the wait that it is about to begin.
  [[nodiscard]] bool is_parked_on(std::span<const Entry> entries) const noexcept {
    const auto same = [](const Entry& now, const Entry& before) {
      return now.kept && now.word == before.word && now.expected == before.expected;
    };
    return left_.load_seq_cst() != generation_.load_relaxed() &&
           std::equal(entries.begin(), entries.end(), entries_.begin(), entries_.end(), same);
  }

  void hand_over(std::span<const Entry> entries, bool quit) {
    {
      const std::lock_guard lock(mutex_);
      entries_.assign(entries.begin(), entries.end());
      quit_ = quit;
      generation_.fetch_add_seq_cst(1);
    }
    futex_wake_all(generation_);
  }

  void run() {
    std::vector<Entry> entries;
    std::uint32_t generation = 0;
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        if (quit_) return;
        generation = generation_.load_relaxed();
        entries = entries_;
      }
      if (!entries.empty()) park(entries, generation);
      while (generation_.load_seq_cst() == generation) futex_wait(generation_, generation, Deadline::never());
    }
  }

  void park(const std::vector<Entry>& entries, std::uint32_t generation) {
    for (;;) {
      FutexVector words;
      words.add(generation_, generation);
      for (const Entry& entry : entries) words.add(*entry.word, entry.expected);
      const int error = words.wait(Deadline::never());
      if (generation_.load_seq_cst() != generation) return;
      if (error == EINTR) continue;
      left_.store_seq_cst(generation);
      owner_.interrupt();  // a word changed, or (EFAULT) was unmapped: either way the caller looks again
      return;
    }
  }

  WaitSet& owner_;
  std::mutex mutex_;
  std::vector<Entry> entries_;
  bool quit_ = false;
  SharedAtomic<std::uint32_t> generation_{};  ///< Of hand-overs; also what the helper sleeps on when it has no group.
  SharedAtomic<std::uint32_t> left_{};        ///< The generation that the helper left because a word changed.
  std::thread thread_;
};

WaitSet::WaitSet() : WaitSet(kernel_has_futex_waitv() ? Method::futex_waitv : Method::polling) {}
WaitSet::WaitSet(Method method) : method_(method), interrupted_{} {}
WaitSet::~WaitSet() = default;

void WaitSet::interrupt() noexcept {
  interrupted_.store_seq_cst(1);
  futex_wake_all(interrupted_);
}

WaitResult WaitSet::wait(std::span<const Entry> entries, Deadline deadline) {
  const WaitResult result =
      method_ == Method::futex_waitv ? wait_with_kernel(entries, deadline) : wait_by_polling(entries, deadline);
  interrupted_.store_seq_cst(0);
  return result;
}

WaitResult WaitSet::wait_with_kernel(std::span<const Entry> entries, Deadline deadline) {
  const std::span<const Entry> own = entries.first(std::min(entries.size(), kGroup));
  std::size_t group = 0;
  for (std::size_t from = own.size(); from < entries.size(); from += kGroup, ++group) {
    if (group == helpers_.size()) helpers_.push_back(std::make_unique<Helper>(*this));
    helpers_[group]->watch(entries.subspan(from, std::min(kGroup, entries.size() - from)));
  }
  for (; group < helpers_.size(); ++group) helpers_[group]->watch({});

  FutexVector words;
  words.add(interrupted_, 0);  // an interrupt that came before ends the call at once, but the helpers know their groups
  for (const Entry& entry : own) words.add(*entry.word, entry.expected);
  const int error = words.wait(deadline);
  return error == ETIMEDOUT ? WaitResult::timeout : WaitResult::rung;
}

WaitResult WaitSet::wait_by_polling(std::span<const Entry> entries, Deadline deadline) {
  for (;;) {
    if (interrupted_.load_seq_cst() != 0) return WaitResult::rung;
    for (const Entry& entry : entries) {
      if (entry.word->load_acquire() != entry.expected) return WaitResult::rung;
    }
    if (deadline.passed() || sleep_cancelled()) return WaitResult::timeout;
    const Deadline next = earlier(deadline, Deadline::after(kPollPeriod));
    if (futex_wait(interrupted_, 0, next) == WaitResult::rung) return WaitResult::rung;
  }
}

}  // namespace sluice::shm
