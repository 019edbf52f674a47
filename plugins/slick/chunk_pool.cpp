#include "slick/chunk_pool.hpp"

#include <algorithm>
#include <limits>

#include <sluice/shm/fixed_text.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/units.hpp>

#include "slick/entries.hpp"
#include "slick/topic_group.hpp"

namespace sluice::slick {

namespace {

constexpr int kMostLooks = 64;

}  // namespace

ChunkPool::ChunkPool(TopicFile& file, std::uint32_t writer) : file_(file), writer_(writer) {
  const TopicGeometry& geometry = file.geometry();
  if (!geometry.has_pool()) return;
  // So that nothing allocates later.
  held_.reserve(std::size_t{geometry.max_readers} * geometry.max_views);
  for (std::size_t k = 0; k < kChunkClasses; ++k) recent_[k].reserve(geometry.chunk_classes[k].count);
}

// Why the order below is safe (PROTOCOL.md, claim J):
//  1. A reader whose join this look misses begins at R - history or later, for R as loaded here (its fence, and ours).
//  2. A cursor beyond a position was stored after the hold of that position's chunk: cursors are loaded first.
//  3. best_effort: a reader checks the horizon after it has stored its hold, with a fence between. Either it finds the
//     horizon that we loaded, and lets go, or we find its hold.
void ChunkPool::look_around() noexcept {
  const TopicGeometry& geometry = file_.geometry();
  const TopicControl& control = file_.control();
  const std::uint64_t reserved = reserved_ = control.reserved.load_acquire();
  const std::uint64_t horizon = control.horizon.load_acquire();
  shm::fence_seq_cst();  // SYNC join→scan, as in find_horizon
  needed_from_ = reserved - std::min(reserved, geometry.history);
  for_each_consumer(file_, [&](const Consumer& consumer) { needed_from_ = std::min(needed_from_, consumer.cursor); });
  if (!file_.reliable() && horizon > geometry.window) {
    needed_from_ = std::max(needed_from_, horizon - geometry.window);
  }
  shm::fence_seq_cst();  // SYNC hold→scan (Dekker with TopicReader::hold)
  held_.clear();
  for (std::uint32_t k = 0, end = file_.reader_entries(); k < end; ++k) {
    for (const auto& hold : file_.holds(k)) {
      const std::uint32_t chunk = hold.load_acquire();
      if (chunk != 0 && held_.size() < held_.capacity()) held_.push_back(chunk - 1);
    }
  }
  std::sort(held_.begin(), held_.end());
}

bool ChunkPool::is_free(std::uint32_t chunk, std::uint64_t word) const noexcept {
  if (chunk_is_lent(word) || chunk_end(word) > needed_from_) return false;
  return !std::binary_search(held_.begin(), held_.end(), chunk);
}

bool ChunkPool::try_take(std::uint32_t chunk) noexcept {
  auto& word = file_.chunk_state(chunk).word;
  std::uint64_t found = word.load_acquire();
  // What was free when we looked around stays free until somebody takes it, and then the word is another one.
  if (!is_free(chunk, found) || !word.compare_exchange_acq_rel(found, chunk_lent(writer_))) return false;
  // SYNC chunk→data: what is written into it now comes after the word. An observer that saw any of it sees the word
  // changed.
  shm::fence_release();
  return true;
}

ChunkPool::Chunk ChunkPool::take_of(const ChunkClass& chunks, std::vector<std::uint32_t>& recent) noexcept {
  for (auto candidate = recent.rbegin(); candidate != recent.rend(); ++candidate) {
    const std::uint32_t chunk = *candidate;
    if (!try_take(chunk)) continue;
    std::rotate(candidate.base() - 1, candidate.base(), recent.end());
    return {chunk, file_.chunk(chunk)};
  }
  if (recent.size() == chunks.count) return {};
  for (std::uint32_t chunk = chunks.first; chunk < chunks.first + chunks.count; ++chunk) {
    if (!try_take(chunk)) continue;
    if (std::find(recent.begin(), recent.end(), chunk) == recent.end()) recent.push_back(chunk);
    return {chunk, file_.chunk(chunk)};
  }
  return {};
}

ChunkPool::Chunk ChunkPool::take_free(std::size_t bytes) noexcept {
  look_around();
  const auto& classes = file_.geometry().chunk_classes;
  for (std::size_t k = 0; k < kChunkClasses; ++k) {
    if (classes[k].count == 0 || classes[k].size < bytes) continue;
    if (const Chunk chunk = take_of(classes[k], recent_[k])) return chunk;
  }
  return {};
}

ChunkPool::Chunk ChunkPool::take(std::size_t bytes) noexcept {
  Chunk chunk = take_free(bytes);
  // A look around takes a while. Were chunks published and lent again meanwhile, it may have missed each of them at its
  // turn although one was free all the time: only a look during which nothing moved says that there is none.
  for (int again = 0; !chunk && again < kMostLooks; ++again) {
    if (again > 0 && reserved_ == file_.control().reserved.load_acquire()) break;
    if (again == 0) reclaim_the_dead();
    chunk = take_free(bytes);
  }
  if (chunk) SLUICE_KILL_POINT("slick.chunk.lent");
  return chunk;
}

void ChunkPool::reclaim_the_dead() noexcept {
  for (std::uint32_t k = 0, end = file_.reader_entries(); k < end; ++k) {
    const auto holds = file_.holds(k);
    const bool in_use =
        entry_state(file_.reader(k).state.load_acquire()) != EntryState::free ||
        std::any_of(holds.begin(), holds.end(), [](const auto& hold) { return hold.load_relaxed() != 0; });
    if (in_use) reclaim_reader_if_dead(file_, k);
  }
  for (std::uint32_t k = 0, end = file_.group_entries(); k < end; ++k) (void)TopicGroup(file_, k).end_if_deserted();
  // Our own lock byte does not keep us out.
  for (std::uint32_t k = 0, end = file_.writer_entries(); k < end; ++k) {
    if (k != writer_) reclaim_writer_if_dead(file_, k);
  }
}

std::vector<ChunkUsage> ChunkPool::usage() noexcept {
  look_around();
  std::vector<ChunkUsage> all;
  for (const ChunkClass& chunks : file_.geometry().chunk_classes) {
    if (chunks.count == 0) break;
    ChunkUsage& usage = all.emplace_back(ChunkUsage{.size = chunks.size, .count = chunks.count});
    for (std::uint32_t chunk = chunks.first; chunk < chunks.first + chunks.count; ++chunk) {
      const std::uint64_t word = file_.chunk_state(chunk).word.load_acquire();
      const bool held = std::binary_search(held_.begin(), held_.end(), chunk);
      ++(chunk_is_lent(word) ? usage.lent : held ? usage.held : is_free(chunk, word) ? usage.free : usage.unread);
      if (!chunk_is_lent(word) && word != kChunkUnused) ++usage.used;
    }
  }
  return all;
}

std::string ChunkPool::describe(std::size_t bytes) const {
  const auto& geometry = file_.geometry();
  std::uint32_t count = 0;
  std::uint32_t lent = 0;
  std::uint32_t unread = 0;
  for (const ChunkClass& chunks : geometry.chunk_classes) {
    if (chunks.size < bytes) continue;
    for (std::uint32_t chunk = chunks.first; chunk < chunks.first + chunks.count; ++chunk, ++count) {
      const std::uint64_t word = file_.chunk_state(chunk).word.load_acquire();
      if (chunk_is_lent(word)) ++lent;
      if (!chunk_is_lent(word) && chunk_end(word) > needed_from_) ++unread;
    }
  }
  std::string text = "of " + std::to_string(count) + " chunks for " + format_size(bytes) +
                     " none is free: " + std::to_string(lent) + " lent to publishers, " + std::to_string(unread) +
                     " published and not yet given up";
  for (std::uint32_t k = 0, end = file_.reader_entries(); k < end; ++k) {
    const auto holds = file_.holds(k);
    const auto held =
        std::count_if(holds.begin(), holds.end(), [](const auto& hold) { return hold.load_relaxed() != 0; });
    if (held == 0) continue;
    text += ", " + std::to_string(held) + " held by process " + std::to_string(file_.reader(k).pid.load_relaxed());
  }
  return text +
         "; release messages sooner, or raise 'chunks' (or max_loans, max_views, max_publishers, "
         "max_subscribers, by which their number is reckoned)";
}

}  // namespace sluice::slick
