// What the members of a group had, and what became of the chunks.

#include <sluice/plugin.hpp>

#include "kill_points/players.hpp"
#include "kill_points/topic_case.hpp"
#include "slick/entries.hpp"

extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor;

namespace sluice::kill_points {

namespace {

using test::eventually;

std::uint64_t value(const stress::Word& word) { return word.load_acquire(); }

}  // namespace

/// Before the first message, like the untouched subscriber.
void TopicCase::start_untouched_member() {
  members_.push_back({start_process("",
                                    [&] {
                                      stress::Place place = place_;
                                      place.spec.options["group"] = {kGroupName, {}};
                                      return read_as_member(place, group_, 0, UINT64_MAX);
                                    }),
                      true});
  require(eventually([&] { return value(group_.members[0].opened) != 0; }, kWatchdog),
          "the untouched member cannot join its group");
}

/// Each message was new to one member at most, and if the topic is reliable somebody gave it back.
void TopicCase::check_group_messages(std::uint32_t members, bool somebody_died) {
  const auto writers = std::min<std::uint64_t>(value(indices_.writers), kGroupWriters);
  for (std::uint32_t w = 0; w < writers; ++w) {
    const stress::WriterLog& log = place_.shared.writers[w];
    const std::uint64_t sent = std::min<std::uint64_t>(value(log.ok) + value(log.uncertain), kGroupMessages);
    std::uint64_t missing = 0;
    std::uint64_t repeated = 0;
    for (std::uint64_t sequence = 0; sequence < sent; ++sequence) {
      const std::uint32_t fresh = group_.fresh[w][sequence].load_acquire();
      const std::uint32_t acknowledged = group_.acknowledged[w][sequence].load_acquire();
      require(fresh <= 1, "message " + std::to_string(sequence) + " was new to " + std::to_string(fresh) + " members");
      missing += acknowledged == 0 ? 1 : 0;
      repeated += acknowledged > 1 ? 1 : 0;
    }
    // Given back, and killed before that was written down.
    for (std::uint32_t k = 0; k < members; ++k) {
      const std::uint64_t message = value(group_.members[k].releasing);
      if (message != 0 && (message - 1) >> 32U == w && missing > 0) --missing;
    }
    const bool complete = options_.reliable && !scenario_.only_member;
    require(!complete || missing <= value(log.uncertain),
            std::to_string(missing) + " messages of publisher " + std::to_string(w) + " were given back by no member");
    require(somebody_died || repeated == 0, std::to_string(repeated) + " messages were had twice, and nobody died");
  }
}

void TopicCase::check_group() {
  const auto members = static_cast<std::uint32_t>(std::min<std::uint64_t>(value(group_.count), kGroupMembers));
  bool all_finished = true;
  std::uint64_t evictions = 0;
  std::uint64_t accounted = 0;
  std::uint64_t positions = 0;
  for (std::uint32_t k = scenario_.only_member ? 1 : 0; k < members; ++k) {
    const MemberLog& log = group_.members[k];
    require(value(log.torn) == 0,
            "member " + std::to_string(k) + ": torn messages: " + std::to_string(value(log.torn)));
    all_finished = all_finished && value(log.finished) == 1;
    evictions += value(log.evictions);
    accounted += value(log.received) + value(log.lost) + value(log.skipped);
    positions = std::max(positions, value(log.reserved) - value(log.joined));
  }
  const bool somebody_died = !all_finished || evictions != 0;
  check_group_messages(members, somebody_died);
  if (scenario_.only_member) return;  // each time that it comes back there is a new group
  require(value(group_.members[0].finished) == 1, "the untouched member did not finish");
  require(value(group_.members[0].evictions) == 0 || held_long_, "the untouched member was evicted");
  require(somebody_died || accounted == positions,
          "the members' books have " + std::to_string(accounted) + " of " + std::to_string(positions) + " positions");
}

/// Everybody has gone. Who comes now can have every chunk, but for those of the history.
void TopicCase::check_pool() {
  slick::TopicFile& file = *keeper_;
  const std::unique_ptr<Transport> slick(sluice_plugin_descriptor.create());
  const auto writer = slick->open_writer(place_.spec, place_.context());
  std::vector<LoanedBuffer> loans;
  for (;;) {
    const LoanedBuffer loan = writer->loan(options_.max_size);
    if (loan.data == nullptr) break;
    loans.push_back(loan);
  }
  require(loans.size() + scenario_.history >= file.geometry().chunk_count,
          "of " + std::to_string(file.geometry().chunk_count) + " chunks only " + std::to_string(loans.size()) +
              " can be had; " + writer->explain(PublishResult::out_of_chunks, options_.max_size));
  for (const LoanedBuffer& loan : loans) writer->discard(loan);
  for (std::uint32_t chunk = 0; chunk < file.geometry().chunk_count; ++chunk) {
    require(!slick::chunk_is_lent(file.chunk_state(chunk).word.load_acquire()),
            "chunk " + std::to_string(chunk) + " is lent to somebody who is not there");
  }
  for (std::uint32_t k = 0; k < file.reader_entries(); ++k) {
    for (const auto& hold : file.holds(k)) {
      require(hold.load_acquire() == 0, "entry " + std::to_string(k) + " holds a chunk, and nobody has the entry");
    }
  }
}

}  // namespace sluice::kill_points
