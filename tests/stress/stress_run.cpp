#include "stress/stress_process.hpp"

namespace sluice::stress {

namespace {

std::string label(std::uint32_t reader) { return "reader " + std::to_string(reader) + ": "; }

/// The books of one reader against the publishers' own logs. All readers joined before the first message.
void check_reader(Verdict& verdict, const Options& options, const Shared& shared, std::uint32_t k,
                  std::uint64_t published, std::uint64_t uncertain) {
  const ReaderLog& log = shared.readers[k];
  const auto value = [](const Word& word) { return word.load_acquire(); };
  const std::string who = label(k);
  verdict.require(value(log.torn) == 0, who + "torn messages: " + std::to_string(value(log.torn)));
  verdict.require(value(log.disorder) == 0, who + "duplicated or reordered: " + std::to_string(value(log.disorder)));
  verdict.require(value(log.queued) == 0,
                  who + "the accounting equation is off by " + std::to_string(value(log.queued)));
  verdict.require(value(log.received) == value(log.books_received),
                  who + "its books count " + std::to_string(value(log.books_received)) + " received, it took " +
                      std::to_string(value(log.received)));
  verdict.require(value(log.lost_told) <= value(log.lost), who + "told of more losses than are in its books");
  // Positions that no message of a log ever had: jumps left in quarantined cells.
  const std::uint64_t granted = value(log.reserved) - value(log.joined);
  verdict.require(granted >= published, who + "more messages published than positions granted");
  const std::uint64_t jumps = granted - published;
  std::uint64_t missing = 0;
  for (std::uint32_t w = 0; w < options.writers; ++w) {
    const std::uint64_t sent = value(shared.writers[w].ok) + value(shared.writers[w].uncertain);
    verdict.require(value(log.from[w]) <= sent, who + "more messages than writer " + std::to_string(w) + " sent");
    missing += sent - value(log.from[w]);
  }
  verdict.require(value(log.lost) + value(log.skipped) == missing + jumps,
                  who + "lost " + std::to_string(value(log.lost)) + " + skipped " + std::to_string(value(log.skipped)) +
                      " in its books, missing " + std::to_string(missing) + " + empty " + std::to_string(jumps) +
                      " by the publishers' logs");
  verdict.require(value(log.skipped) <= jumps + uncertain, who + "skipped what was published");
  if (options.reliable) {
    verdict.require(missing == 0 && value(log.lost) == 0, who + "reliable, but misses " + std::to_string(missing));
    verdict.require(value(log.evictions) == 0 && value(log.views_lost) == 0, who + "was evicted");
  }
  std::printf("reader %u: received %llu lost %llu skipped %llu\n", k,
              static_cast<unsigned long long>(value(log.received)), static_cast<unsigned long long>(value(log.lost)),
              static_cast<unsigned long long>(value(log.skipped)));
}

}  // namespace

int run(const Options& options) {
  Verdict verdict;
  const test::TemporaryDirectory directory;
  Shared& shared = Shared::create();
  Place place{options, shared, directory.path(), make_spec(options)};
  // Nobody dies here. Neither a publisher nor a reader that is merely preempted shall be given up, so nothing may be
  // missing.
  place.spec.options["hole_timeout"] = {"300s", {}};
  place.spec.options["stall_timeout"] = {"300s", {}};
  place.spec.options["evict_after"] = {"600s", {}};

  std::vector<Child> writers;
  std::vector<Child> readers;
  readers.reserve(options.readers);
  writers.reserve(options.writers);
  for (std::uint32_t k = 0; k < options.readers; ++k) {
    readers.emplace_back(k, [&, k] { return read_messages(place, k); });
  }
  for (std::uint32_t k = 0; k < options.writers; ++k) {
    writers.emplace_back(k, [&, k] { return write_messages(place, k, options.messages / options.writers); });
  }
  const auto started = [&] { return shared.ready.load_acquire() == options.readers + options.writers; };
  verdict.require(test::eventually(started), "not everybody started");
  const auto begin = std::chrono::steady_clock::now();
  shared.go.store_release(1);
  verdict.require(all_ended(writers, options), "the writers are stuck");
  shared.writers_done.store_release(1);
  verdict.require(all_ended(readers, options), "the readers are stuck");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (verdict.exit_code() != 0) return verdict.exit_code();

  std::uint64_t published = 0;
  std::uint64_t uncertain = 0;
  for (Child& child : writers) {
    const WriterLog& log = shared.writers[child.index];
    verdict.require(child.code == 0,
                    "writer " + std::to_string(child.index) + " ended with " + std::to_string(child.code));
    // best_effort: with fewer cells than publishers, all of them may be in the hands of preempted ones.
    const std::uint64_t timeouts = log.timeouts.load_acquire();
    verdict.require(timeouts == 0 || (!options.reliable && options.depth <= 2 * options.writers),
                    "writer " + std::to_string(child.index) + " timed out " + std::to_string(timeouts) + " times");
    published += log.ok.load_acquire() + log.uncertain.load_acquire();
    uncertain += log.uncertain.load_acquire();
  }
  for (Child& child : readers) {
    verdict.require(child.code == 0, label(child.index) + "ended with " + std::to_string(child.code));
    check_reader(verdict, options, shared, child.index, published, uncertain);
  }
  verdict.require(std::filesystem::is_empty(directory.path()), "the topic's file was left behind");
  std::printf("%llu messages (%llu uncertain) in %.1f s\n", static_cast<unsigned long long>(published),
              static_cast<unsigned long long>(uncertain), took.count());
  return verdict.exit_code();
}

}  // namespace sluice::stress
