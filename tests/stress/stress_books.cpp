#include "stress/stress_books.hpp"

#include "support/child_process.hpp"

namespace sluice::stress {

void check_reader(Verdict& verdict, const Place& place, std::uint32_t k, std::uint32_t writers, bool finished) {
  const ReaderLog& log = place.shared.readers[k];
  const std::string who = "reader " + std::to_string(k) + ": ";
  verdict.require(value(log.torn) == 0, who + "torn messages: " + std::to_string(value(log.torn)));
  verdict.require(value(log.disorder) == 0, who + "duplicated or reordered: " + std::to_string(value(log.disorder)));
  for (std::uint32_t w = 0; w < writers; ++w) {
    const WriterLog& writer = place.shared.writers[w];
    verdict.require(value(log.from[w]) <= value(writer.begun) - value(writer.timeouts),
                    who + "more messages than writer " + std::to_string(w) + " began");
  }
  if (!finished) return;
  verdict.require(value(log.finished) == 1, who + "did not finish");
  verdict.require(value(log.queued) == 0,
                  who + "the accounting equation is off by " + std::to_string(value(log.queued)));
  verdict.require(value(log.positions) == value(log.books_received), who + "its books are not what it took");
  verdict.require(value(log.lost_told) <= value(log.lost), who + "told of more losses than are in its books");
}

SurvivorBooks check_survivor(Verdict& verdict, const Place& place, std::uint32_t writers) {
  const ReaderLog& log = place.shared.readers[0];
  SurvivorBooks books;
  for (std::uint32_t w = 0; w < writers; ++w) {
    const WriterLog& writer = place.shared.writers[w];
    books.certain += value(writer.ok);
    books.possible += value(writer.begun) - value(writer.timeouts);
    books.received += value(log.from[w]);
    if (place.options.reliable && value(log.evictions) == 0) {
      verdict.require(value(log.from[w]) >= value(writer.ok),
                      "reader 0 misses " + std::to_string(value(writer.ok) - value(log.from[w])) +
                          " messages that writer " + std::to_string(w) + " was told were sent");
    }
  }
  // Reader 0 was first, so every position concerns it. What it did not get it has in its books.
  books.granted = value(log.reserved) - value(log.joined);
  books.lost = value(log.lost);
  books.skipped = value(log.skipped);
  const std::uint64_t accounted = books.received + value(log.views_lost) + books.lost + books.skipped;
  verdict.require(value(log.joined) == 0, "reader 0 joined late");
  verdict.require(books.granted >= books.certain, "fewer positions granted than messages certainly sent");
  verdict.require(accounted == books.granted, "reader 0: the parts do not add up to the positions granted");
  verdict.require(books.certain <= accounted, "reader 0: a message is in no book");
  return books;
}

bool survivors_get_on(const Place& place) {
  const WriterLog& writer = place.shared.writers[0];
  const ReaderLog& reader = place.shared.readers[0];
  const std::uint64_t sent = value(writer.ok) + value(writer.uncertain);
  const std::uint64_t received = value(reader.received);
  return test::eventually(
      [&] { return value(writer.ok) + value(writer.uncertain) > sent + 20 && value(reader.received) > received + 20; });
}

}  // namespace sluice::stress
