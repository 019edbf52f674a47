#include <sluice/eshm/mailbox.hpp>

#include <algorithm>

#include <sluice/shm/deadline.hpp>

namespace sluice::eshm {

namespace {

/// Looks before sleeping: shorter than going to sleep and being woken, for a peer that answers at once.
constexpr int kLooksBeforeSleep = 100;

/// How often a write must be found in progress for long, with completed ones between, until it is taken for one at
/// rest. A writer of sound parity would have to be stopped in the middle of that many writes in a row, and never be
/// seen between two of them.
constexpr int kEvidence = 8;

/// No copy of that many bytes takes so long, unless its writer is kept from running.
constexpr std::int64_t rest_time_ns(std::size_t max_size) noexcept {
  return 200'000 + 10 * static_cast<std::int64_t>(max_size);
}

/// Writes between two sequences at rest; the upper bits of the count come from write_count (hazard H6), which trails.
/// write_count fell: somebody wrote the segment anew, and every write since then is new.
std::uint64_t writes_between(std::uint32_t from, std::uint32_t to, std::uint64_t count_from, std::uint64_t count_to) {
  constexpr std::uint64_t kLap = std::uint64_t{1} << 31U;
  if (count_to + 1 < count_from) return std::max(std::uint32_t{1}, to / 2);
  const std::uint64_t low = (to - from) / 2;
  const std::uint64_t counted = count_to - std::min(count_from, count_to);
  return counted < low ? low : low + (counted - low + kLap / 2) / kLap * kLap;
}

}  // namespace

void MailboxReader::start(const MailboxMemory& memory, From from) noexcept {
  disarm();
  const std::uint64_t expected = memory_.head == nullptr ? 0 : completed();
  books_.conflated += expected - completed_;  // nobody will take what is left in the old one
  memory_ = memory;
  const std::uint32_t now = memory_.head->sequence.load_acquire();
  const std::uint32_t complete = now & ~1U;  // one in progress is new when it completes
  const bool whole = now == complete && complete != 0;
  switch (from) {
    case From::next: last_ = complete; break;
    case From::current: last_ = whole ? complete - 2 : complete; break;
    case From::first: last_ = 0; break;
  }
  parity_ = 0;
  unrest_ = {};
  wakes_ = Wakes::unknown;
  last_count_ = last_ / 2;
  last_wake_seq_ = memory_.wakes ? memory_.tail->wake_seq.load_relaxed() : 0;
  if (from != From::first) last_count_ = memory_.tail->write_count.load_relaxed() - (complete - last_) / 2;
  // Positions go on over a new segment: what it counts is added to what was there before.
  completed_ = from == From::first ? expected : expected + last_ / 2;
  if (from != From::first) books_.joined += last_ / 2;
}

void MailboxReader::deliver(std::uint32_t sequence, std::uint64_t write_count, Message& message) noexcept {
  const std::uint64_t writes = writes_between(last_, sequence, last_count_, write_count);
  if (!memory_.read_only) memory_.tail->read_count.fetch_add_relaxed(1);
  completed_ += writes;
  ++books_.received;
  books_.conflated += writes - 1;
  message.conflated = writes - 1;
  message.number = completed_ - 1;
  if (memory_.wakes) learn_whether_the_writer_wakes(write_count);
  last_ = sequence;
  last_count_ = write_count;
  unrest_ = {};
  traffic_ns_ = shm::monotonic_coarse_ns();
}

/// A writer of protocol 3 adds to wake_seq right after it added to write_count.
void MailboxReader::learn_whether_the_writer_wakes(std::uint64_t write_count) noexcept {
  const std::uint32_t wake_seq = memory_.tail->wake_seq.load_acquire();
  if (wake_seq != last_wake_seq_) {
    wakes_ = Wakes::yes;
  } else if (write_count - last_count_ >= 2) {
    wakes_ = Wakes::no;
  }
  last_wake_seq_ = wake_seq;
}

bool MailboxReader::at_rest_after_all(std::uint32_t sequence) noexcept {
  const std::int64_t now = shm::monotonic_ns();
  if (unrest_.since_ns == 0 || unrest_.sequence != sequence) {
    unrest_.since_ns = now;
    unrest_.sequence = sequence;
    unrest_.noted = unrest_.reported = false;
    return false;
  }
  const std::int64_t elapsed = now - unrest_.since_ns;
  const std::uint64_t write_count = memory_.tail->write_count.load_acquire();
  if (!unrest_.noted && elapsed >= rest_time_ns(memory_.max_size) && write_count != unrest_.write_count) {
    unrest_.noted = true;
    unrest_.write_count = write_count;
    if (++unrest_.evidence > kEvidence) {
      invert_parity(sequence);
      return true;
    }
  }
  if (elapsed >= kLongestWrite.count() && !unrest_.reported) {
    unrest_.reported = true;
    ++books_.interrupted;
  }
  return false;
}

/// From here on `sequence` is new, and what was completed before it is known from write_count alone.
void MailboxReader::invert_parity(std::uint32_t sequence) noexcept {
  const std::uint64_t write_count = memory_.tail->write_count.load_acquire();
  const std::uint64_t missed = write_count > last_count_ + 1 ? write_count - last_count_ - 1 : 0;
  parity_ ^= 1U;
  last_ = sequence - 2;
  last_count_ = write_count - 1;
  completed_ += missed;
  books_.conflated += missed;
  books_.approximate = true;
}

/// A value just found in progress is looked at once more when it has had the time to complete: only one that is seen
/// twice is evidence, and of a writer that is faster than we look, or that wakes us, each look would find another.
std::chrono::nanoseconds MailboxReader::until_next_look(std::chrono::nanoseconds period) const noexcept {
  if (unrest_.since_ns == 0) return period;
  const std::int64_t rest_time = rest_time_ns(memory_.max_size);
  const bool just_found = shm::monotonic_ns() - unrest_.since_ns < rest_time;
  return just_found ? std::min(period, std::chrono::nanoseconds{rest_time}) : period;
}

MailboxReader::Sleep MailboxReader::arm() noexcept {
  if (!memory_.wakes || wakes_ == Wakes::no) {
    return {nullptr, 0, poll_period()};
  }
  // SYNC announce→sleep: the writer adds to wake_seq, then looks at `waiters`; we add to `waiters`, then look at
  // wake_seq (in the kernel, and through `ready`). One of the two sees the other.
  const std::uint32_t seen = memory_.tail->wake_seq.load_acquire();
  if (!armed_) memory_.tail->waiters.fetch_add_seq_cst(1);
  armed_ = true;
  shm::fence_after_seq_cst_rmw();
  return {&memory_.tail->wake_seq, seen, until_next_look(wakes_ == Wakes::yes ? kLongestPark : kRestLook)};
}

void MailboxReader::park(shm::Deadline deadline) noexcept {
  for (int look = 0; look < kLooksBeforeSleep; ++look) {
    if (ready()) return;
    shm::spin_pause();
  }
  const Sleep sleep = arm();
  const shm::Deadline until = earlier(deadline, shm::Deadline::after(sleep.at_most));
  if (!ready()) {
    if (sleep.word != nullptr) {
      shm::futex_wait(*sleep.word, sleep.expected, until);
    } else {
      const timespec time = until.as_timespec();
      ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
    }
  }
  disarm();
}

std::uint64_t MailboxReader::completed() const noexcept {
  const std::uint32_t sequence = memory_.head->sequence.load_acquire();
  const std::uint32_t complete = (sequence & 1U) == parity_ ? sequence : sequence - 1;
  return completed_ + writes_between(last_, complete, last_count_, memory_.tail->write_count.load_acquire());
}

}  // namespace sluice::eshm
