#include "slick/raw_companion.hpp"

#include <sys/stat.h>

#include <exception>

#include "slick/entries.hpp"

namespace sluice::slick {

namespace {

TopicSpec checked_companion_spec(const TopicSpec& spec, const Segment& segment) {
  if (spec.qos.reliability == Reliability::reliable && segment.memory.capacity < kMinCapacity) {
    throw ConfigError(spec.origin("reliability"), "topic '" + spec.name + "': segment '" + segment.path +
                                                      "' has a capacity of " + std::to_string(segment.memory.capacity) +
                                                      " elements, and a reliable topic needs 4 at least");
  }
  return companion_spec(spec, segment.memory.capacity);
}

}  // namespace

std::string companion_name(std::uint64_t device, std::uint64_t inode) {
  return "segment-" + std::to_string(device) + "-" + std::to_string(inode) + ".topic";
}

TopicSpec companion_spec(const TopicSpec& spec, std::uint32_t capacity) {
  TopicSpec companion = spec;
  const bool reliable = spec.qos.reliability == Reliability::reliable;
  companion.qos.depth = reliable ? capacity : static_cast<std::uint32_t>(kMinCapacity);
  companion.max_size = 0;
  companion.type.fixed_size = 0;  // the element's size is checked against the segment
  for (const char* key : {"depth", "max_size"}) companion.origins.erase(key);
  return companion;
}

Companion::Companion(const TopicSpec& spec, const RawOptions& options, const TransportContext& context,
                     const Segment& segment)
    : file_(TopicFile::open_at(context.directory + "/" + companion_name(segment.device, segment.inode),
                               checked_companion_spec(spec, segment), options.topic, context)),
      topic_(spec.name),
      segment_(segment.path),
      report_(context.report) {}

void Companion::found_foreign_producer(const std::string& evidence) noexcept {
  file_.control().foreign_producer.store_relaxed(1);
  if (!told_) tell(evidence);
}

void Companion::tell(const std::string& evidence) noexcept {
  told_ = true;
  if (!report_) return;
  try {
    report_({TransportEvent::Kind::reliability_lost, topic_,
             "topic '" + topic_ + "' is best_effort from now on: a producer that is no Sluice node of this domain " +
                 "writes into segment '" + segment_ + "' and waits for nobody (" + evidence +
                 "); stop it and restart the nodes, or say 'reliability: best_effort'"});
  } catch (const std::exception&) {
    // No memory for a sentence, or the user's own: the topic's state says it all the same.
  }
}

Companion::Owner Companion::settle(Ring& ring, std::uint64_t position) noexcept {
  for (std::uint32_t k = 0, end = file_.writer_entries(); k < end; ++k) {
    WriterEntry& entry = file_.writer(k);
    const std::uint64_t granted = entry.grant.load_acquire();
    const std::uint64_t record = entry.record.load_acquire();
    const std::uint64_t at = reserved_index(granted);
    const auto n = static_cast<std::uint32_t>(reserved_size(granted));
    const bool owns = granted != kNoGrant && (at == position || ring.place(at, n).index == position);
    const bool intends = record_state(record) != RecordState::idle && record_position(record) == position;
    if (!owns && !intends) continue;
    if (file_.lock().held_by_other(file_.writer_byte(k))) return Owner::living;
    const bool settled = reclaim_if_dead(file_, file_.writer_byte(k), [&] {
      settle_dead_writer(ring, entry);
      entry.state.store_release(static_cast<std::uint32_t>(EntryState::free));
    });
    // Not ours to settle: somebody else is doing it, and lives.
    return settled ? Owner::dead : Owner::living;
  }
  const bool died_here = file_.reliable() && file_.cell(position).stamp.load_acquire() == stamp_jump(position);
  return died_here ? Owner::dead : Owner::unknown;
}

// What a dead writer's entry proves:
//  1. grant (p, n): it was granted p and stored nothing anywhere before it wrote this down, nor will it ever again.
//  What
//     lies unpublished there is its hole.
//  2. INTENT(p) without the grant, reliable: it may have been granted p, or somebody else was. The cell remembers that
//     a Sluice producer may have died here, for a hole whose owner nobody knows would be a foreign producer's.
void Companion::settle_dead_writer(Ring& ring, WriterEntry& entry) noexcept {
  const std::uint64_t granted = entry.grant.load_acquire();
  const std::uint64_t record = entry.record.load_acquire();
  if (granted != kNoGrant) {
    const auto n = static_cast<std::uint32_t>(reserved_size(granted));
    const Ring::Grant grant = ring.place(reserved_index(granted), n);
    if (grant.index != grant.position) ring.fill_hole(grant.position, grant.index);
    SLUICE_KILL_POINT("raw.repair.tail");
    ring.fill_hole(grant.index, grant.index + n);
    SLUICE_KILL_POINT("raw.repair.message");
  }
  if (file_.reliable() && record_state(record) != RecordState::idle) {
    const std::uint64_t position = record_position(record);
    file_.cell(position).stamp.raise_to_acq_rel(stamp_jump(position));
    SLUICE_KILL_POINT("raw.repair.remembered");
  }
  entry.grant.store_release(kNoGrant);
  entry.record.store_release(kRecordIdle);
  SLUICE_KILL_POINT("raw.repair.entry_cleared");
}

}  // namespace sluice::slick
