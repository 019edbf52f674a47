#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <sluice/transport.hpp>

#include "slick/books.hpp"
#include "slick/entries.hpp"
#include "slick/own_readers.hpp"

namespace sluice::slick {

/// A subscription's entry in a topic's file: what publishers know of it (that it is there, and how far it is), and its
/// books for tools. Used by one thread, except where noted.
class ReaderPlace {
 public:
  /// Claims an entry; `join` makes it count.
  ReaderPlace(TopicFile& file, const std::string& topic) : ReaderPlace(file, claim_reader_entry(file, topic)) {}

  /// Its number.
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }

  /// Who takes, for publishers of this process.
  [[nodiscard]] OwnReader& own() noexcept { return own_; }

  /// Enters the topic and returns the position to begin at, `history` back if there were as many; `load_reserved()` is
  /// an acquire load of `reserved`.
  ///
  /// SYNC join→scan: the cursor is stored and the entry active before the fence, `reserved` is loaded after it. A
  /// producer's scan that missed this entry loaded a `reserved` not above ours before its own fence, so the horizon
  /// that it computes, however late it lands, is at most that + horizon_step. History is at most 3/4 of the cells and
  /// the step a quarter, so this is <= cursor + capacity. And a scan for free chunks that missed it spared everything
  /// from that `reserved` - history on.
  template <typename LoadReserved>
  std::uint64_t join(LoadReserved load_reserved, std::uint64_t history = 0) noexcept {
    const auto back = [&](std::uint64_t reserved) { return reserved - std::min(reserved, history); };
    entry_->cursor.store_relaxed(back(load_reserved()));
    SLUICE_KILL_POINT("slick.join.announced");
    entry_->state.store_seq_cst(joined_once_more(entry_->state.load_relaxed()));
    SLUICE_KILL_POINT("slick.join.active");
    shm::fence_seq_cst();
    published_cursor_ = back(load_reserved());
    entry_->cursor.store_release(published_cursor_);
    SLUICE_KILL_POINT("slick.join.joined");
    return published_cursor_;
  }

  /// Leaves the topic, for good.
  void leave() noexcept {
    SLUICE_KILL_POINT("slick.reader.leaving");
    entry_->state.store_seq_cst(with_state(entry_->state.load_relaxed(), EntryState::free));
    SLUICE_KILL_POINT("slick.reader.freed");
    if (file_.control().space.waiting()) file_.control().space.ring();
  }

  /// Whether publishers have stopped waiting for this reader.
  [[nodiscard]] bool evicted() const noexcept {
    return entry_state(entry_->state.load_relaxed()) != EntryState::active;
  }

  /// Whether everything that was read so far from a cell not given back was its message: publishers waited.
  /// SYNC evict→data: who stores there was granted the position by a horizon that was raised after our eviction; the
  /// acquire fence pairs with the release fence between its load of the horizon and its stores. This line is our own:
  /// looking at the horizon instead would take it out of the publishers' hands for every message.
  [[nodiscard]] bool was_waited_for() const noexcept {
    shm::fence_acquire();
    return !evicted();
  }

  /// Publishers may reuse everything below `cursor`. One thread at a time.
  /// SYNC cursor→horizon: the exchange releases our reads of the cells to whoever reuses them.
  /// SYNC space: it is also the full barrier between the new cursor and the look at the bit.
  void publish_cursor(std::uint64_t cursor) noexcept {
    if (published_cursor_ == cursor) return;
    entry_->cursor.exchange_seq_cst(cursor);
    SLUICE_KILL_POINT("slick.cursor.published");
    published_cursor_ = cursor;
    if (file_.control().space.waiting()) file_.control().space.ring();
  }

  /// What publishers know.
  [[nodiscard]] std::uint64_t published_cursor() const noexcept { return published_cursor_; }

  /// best_effort with chunks: what is below `next` was taken, and held if it is to stay. Nobody waits for it.
  void show_cursor(std::uint64_t next) noexcept { entry_->cursor.store_release(next); }

  /// Shows the books to tools; `cursor` too where nobody waits for it.
  void write_books(const ReaderStats& books, std::uint64_t next) noexcept {
    if (!file_.reliable()) show_cursor(next);
    const BooksWrite write(entry_->version);
    entry_->joined.store_relaxed(books.joined);
    entry_->received.store_relaxed(books.received);
    entry_->lost.store_relaxed(books.lost);
    entry_->skipped.store_relaxed(books.skipped);
    entry_->bytes.store_relaxed(books.bytes);
    entry_->evictions.store_relaxed(books.evictions);
  }

 private:
  ReaderPlace(TopicFile& file, std::uint32_t index)
      : file_(file), entry_(&file.reader(index)), index_(index), own_(file.inode(), index) {}

  TopicFile& file_;
  ReaderEntry* entry_;
  std::uint32_t index_;
  OwnReader own_;
  std::uint64_t published_cursor_ = 0;
};

}  // namespace sluice::slick
