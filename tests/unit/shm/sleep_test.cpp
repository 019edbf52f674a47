#include <sluice/shm/sleep.hpp>

#include <catch2/catch.hpp>

#include <array>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/shm/wait_set.hpp>

using namespace sluice::shm;
using namespace std::chrono_literals;

namespace {

class Counter final : public SleepObserver {
 public:
  explicit Counter(bool goes_on = true) : goes_on_(goes_on) {}
  void before_sleep() noexcept override {
    CHECK_FALSE(asleep_);
    asleep_ = true;
  }
  [[nodiscard]] bool after_sleep() noexcept override {
    CHECK(asleep_);
    asleep_ = false;
    ++sleeps;
    errno = ETIMEDOUT;  // whatever an observer leaves there is nobody's result
    return goes_on_;
  }
  int sleeps = 0;

 private:
  bool goes_on_;
  bool asleep_ = false;
};

}  // namespace

TEST_CASE("every kind of sleep is observed, and has the result it would have had") {
  Counter counter;
  const SleepScope scope(counter);
  SharedAtomic<std::uint32_t> word{};
  CHECK(futex_wait(word, 0, Deadline::after(1ms)) == WaitResult::timeout);
  CHECK(futex_wait(word, 1, Deadline::after(100s)) == WaitResult::rung);
  CHECK(counter.sleeps == 2);

  for (const auto method : {WaitSet::Method::futex_waitv, WaitSet::Method::polling}) {
    if (method == WaitSet::Method::futex_waitv && !WaitSet::kernel_has_futex_waitv()) continue;
    counter.sleeps = 0;
    WaitSet set(method);
    const std::array entries{WaitSet::Entry{&word, 0}};
    CHECK(set.wait(entries, Deadline::after(2ms)) == WaitResult::timeout);
    CHECK(counter.sleeps >= 1);
  }

  counter.sleeps = 0;
  const std::int64_t before = monotonic_ns();
  sleep_for(3ms);
  CHECK(monotonic_ns() - before >= 3'000'000);
  CHECK(counter.sleeps == 1);
  CHECK_FALSE(sleep_cancelled());
}

TEST_CASE("an observer that wants no more ends the waits of its scope, and of no other") {
  Counter outer;
  const SleepScope outer_scope(outer);
  {
    Counter counter(false);
    const SleepScope scope(counter);
    CHECK_FALSE(sleep_cancelled());
    sleep_for(1ms);
    CHECK(sleep_cancelled());
    WaitSet set(WaitSet::Method::polling);
    SharedAtomic<std::uint32_t> word{};
    const std::array entries{WaitSet::Entry{&word, 0}};
    CHECK(set.wait(entries, Deadline::never()) == WaitResult::timeout);
    CHECK(outer.sleeps == 0);
  }
  CHECK_FALSE(sleep_cancelled());
  sleep_for(1ms);
  CHECK(outer.sleeps == 1);
}
