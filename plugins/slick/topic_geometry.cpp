#include "slick/topic_geometry.hpp"

#include <algorithm>
#include <bit>

#include <sluice/units.hpp>

namespace sluice::slick {

namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 46U;
constexpr std::uint32_t kEntries = 64;            ///< Publishers, and subscriptions, unless the YAML says otherwise
constexpr std::uint32_t kEntriesAtLeast = 4;      ///< or their chunks would take more than
constexpr std::uint64_t kSpareBytes = 8U << 20U;  ///< this.

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

[[noreturn]] void refuse_size(const TopicSpec& spec) {
  throw ConfigError(spec.origin("max_size"), "topic '" + spec.name + "': depth " + std::to_string(spec.qos.depth) +
                                                 " times max_size " + std::to_string(spec.max_size) +
                                                 " bytes is beyond every machine; reduce one of them");
}

/// Cells, and how far the horizon runs.
///  - best_effort: it runs a step ahead, and `depth` messages and the history behind it are intact.
///  - A late joiner's history must lie in the cells that no horizon beyond the joiner's sight can reach: 3/4 of them.
void plan_ring(TopicGeometry& plan, const TopicSpec& spec, bool pool) {
  const bool reliable = spec.qos.reliability == Reliability::reliable;
  const std::uint64_t kept = std::uint64_t{spec.qos.depth} + plan.history;
  const std::uint64_t with_step = kept + (kept + 2) / 3;
  const std::uint64_t for_history = plan.history + (plan.history + 2) / 3;
  plan.capacity = std::bit_ceil(std::max({reliable ? std::max(kept, for_history) : with_step, kMinCapacity}));
  plan.mask = plan.capacity - 1;
  const std::uint64_t quarter = plan.capacity / 4;
  // Where messages take chunks, each position ahead of need costs one.
  plan.horizon_step = pool ? std::clamp<std::uint64_t>(spec.qos.depth / 8, 1, quarter) : quarter;
  plan.reach = pool ? std::max(kept, plan.horizon_step) : plan.capacity;
  plan.window = pool ? std::min(kept + plan.horizon_step, plan.capacity) : plan.capacity;
}

/// Publishers' and subscriptions' places, and the chunks for everything that they may hold at once.
void plan_chunks(TopicGeometry& plan, const TopicSpec& spec, const TopicOptions& options) {
  const bool reliable = spec.qos.reliability == Reliability::reliable;
  plan.max_loans = options.max_loans;
  plan.max_views = options.max_views;
  std::vector<ChunkRequest> wanted = options.chunks;
  if (wanted.empty()) {
    const std::uint64_t size = round_up(plan.max_payload, shm::kCacheLine);
    const std::uint64_t each = size * (plan.max_loans + plan.max_views);
    const auto affordable =
        static_cast<std::uint32_t>(std::clamp<std::uint64_t>(kSpareBytes / each, kEntriesAtLeast, kEntries));
    plan.max_writers = options.max_publishers.value_or(affordable);
    plan.max_readers = options.max_subscribers.value_or(affordable);
    const std::uint64_t count = (reliable ? plan.reach : plan.window) +
                                std::uint64_t{plan.max_writers} * plan.max_loans +
                                std::uint64_t{plan.max_readers} * plan.max_views;
    if (size > kLargestFile / count) refuse_size(spec);
    wanted.push_back({static_cast<std::uint32_t>(count), size});
  }
  std::size_t k = 0;
  for (const ChunkRequest& request : wanted) {
    const std::uint64_t size = round_up(request.size, shm::kCacheLine);
    if (plan.chunk_classes[k].count != 0 && plan.chunk_classes[k].size != size) ++k;
    if (plan.chunk_classes[k].count == 0) plan.chunk_classes[k] = {size, 0, plan.chunk_count, 0};
    plan.chunk_classes[k].count += request.count;
    plan.chunk_count += request.count;
  }
}

std::uint64_t place_chunks(TopicGeometry& plan, const TopicSpec& spec, std::uint64_t offset) {
  for (ChunkClass& chunks : plan.chunk_classes) {
    if (chunks.count == 0) break;
    offset = round_up(offset, kPage);
    chunks.offset = offset;
    if (chunks.size > kLargestFile / chunks.count) refuse_size(spec);
    offset += chunks.size * chunks.count;
  }
  return offset;
}

}  // namespace

TopicGeometry plan_geometry(const TopicSpec& spec, const TopicOptions& options) {
  TopicGeometry plan;
  const bool pool = spec.max_size > options.inline_limit;
  plan.max_payload = spec.max_size;
  plan.inline_limit = pool ? options.inline_limit : spec.max_size;
  plan.history = wanted_history(spec);
  plan.max_writers = options.max_publishers.value_or(kEntries);
  plan.max_readers = options.max_subscribers.value_or(kEntries);
  plan.max_groups = options.max_groups;
  plan_ring(plan, spec, pool);
  if (pool) plan_chunks(plan, spec, options);

  plan.cell_stride = round_up(kCellHeader + plan.inline_limit, shm::kCacheLine);
  plan.readers_offset = kPage + sizeof(TopicControl);
  plan.writers_offset = plan.readers_offset + plan.max_readers * sizeof(ReaderEntry);
  plan.holds_offset = plan.writers_offset + plan.max_writers * sizeof(WriterEntry);
  plan.hold_stride = round_up(plan.max_views * sizeof(std::uint32_t), shm::kIsolation);
  plan.groups_offset = plan.holds_offset + plan.max_readers * plan.hold_stride;
  plan.group_stride = sizeof(GroupEntry) + round_up(plan.capacity * sizeof(std::uint64_t), shm::kIsolation);
  plan.ring_offset = round_up(plan.groups_offset + plan.max_groups * plan.group_stride, kPage);
  if (plan.cell_stride > kLargestFile / plan.capacity) refuse_size(spec);
  plan.chunks_offset = plan.ring_offset + plan.capacity * plan.cell_stride;
  const std::uint64_t end = place_chunks(plan, spec, plan.chunks_offset + plan.chunk_count * sizeof(ChunkState));
  plan.total = round_up(end, kPage);
  return plan;
}

std::string describe_geometry(const TopicGeometry& geometry) {
  std::string text = std::to_string(geometry.capacity) + " cells of " + format_size(geometry.cell_stride);
  for (const ChunkClass& chunks : geometry.chunk_classes) {
    if (chunks.count != 0) text += ", " + std::to_string(chunks.count) + " chunks of " + format_size(chunks.size);
  }
  return text + ", places for " + std::to_string(geometry.max_writers) + " publishers and " +
         std::to_string(geometry.max_readers) + " subscriptions";
}

}  // namespace sluice::slick
