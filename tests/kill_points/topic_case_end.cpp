// How a case ends: everybody is told to, the books are compared, and somebody comes after them.

#include "kill_points/topic_case.hpp"
#include "stress/stress_books.hpp"

namespace sluice::kill_points {

namespace {

using test::eventually;

std::uint64_t value(const stress::Word& word) { return word.load_acquire(); }

}  // namespace

bool TopicCase::wait_for(bool readers) {
  return eventually(
      [&] {
        bool all = true;
        for (Member& member : members_) {
          if (member.reads != readers || member.child.ended()) continue;
          member.child.signal(SIGCONT);
          all = false;
        }
        return all;
      },
      kWatchdog);
}

bool TopicCase::all_end() {
  place_.shared.stop.store_release(1);
  if (!wait_for(false)) return false;
  place_.shared.writers_done.store_release(1);
  return wait_for(true);
}

void TopicCase::check_books() {
  stress::Verdict verdict;
  const auto writers = static_cast<std::uint32_t>(value(indices_.writers));
  const auto readers = static_cast<std::uint32_t>(value(indices_.readers));
  for (Member& member : members_) {
    const bool killed = member.child.code == 128 + SIGKILL;
    require((killed && member.may_die) || member.child.code == 0,
            "a process ended with " + std::to_string(member.child.code));
  }
  for (std::uint32_t k = 0; k < readers; ++k) {
    check_reader(verdict, place_, k, writers, value(place_.shared.readers[k].finished) != 0);
  }
  const stress::WriterLog& writer = place_.shared.writers[0];
  const stress::ReaderLog& reader = place_.shared.readers[0];
  require(value(reader.finished) == 1 && value(writer.finished) == 1, "one of the untouched two did not finish");
  // Without a chunk to spare it is refused now and then where it may not wait for the readers.
  require(value(writer.timeouts) == 0 || scenario_.payload == Payload::few_chunks, "the untouched publisher timed out");
  if (!scenario_.alone && !is_raw(world_)) (void)check_survivor(verdict, place_, writers);
  if (value(reader.lost) == 0) {
    // Stepping over a raw hole may cost a message that another producer was just publishing behind it.
    const std::uint64_t skipped = is_raw(world_) ? value(reader.skipped) : 0;
    require(value(reader.from[0]) + skipped >= value(writer.ok), "messages of the untouched publisher are missing");
  }
  require(value(place_.shared.events) == 0, "somebody was taken for a foreign producer");
  require(value(reader.evictions) == 0 || held_long_, "the untouched subscriber was evicted");
  require(once_evicted_ == nullptr || value(once_evicted_->evictions) == 1,
          "a subscriber was evicted for what it did before it joined again");
  require(verdict.exit_code() == 0, "the books are wrong");
}

void TopicCase::check_heir() {
  stress::Child heir = start_process("", [&] { return inherit(place_); });
  require(eventually([&] { return heir.ended(); }, kWatchdog) && heir.code == 0,
          "whoever comes next cannot use the topic (" + std::to_string(heir.code) + ")");
  require(std::filesystem::is_empty(directory_.path()), "something is left behind");
}

}  // namespace sluice::kill_points
