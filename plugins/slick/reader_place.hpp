#pragma once

#include <cstdint>
#include <string>

#include <sluice/transport.hpp>

#include "slick/books.hpp"
#include "slick/entries.hpp"

namespace sluice::slick {

/// A subscription's entry in a topic's file: what publishers know of it (that it is there, and how far it is), and its
/// books for tools. Used by one thread.
class ReaderPlace {
 public:
  /// Claims an entry; `join` makes it count.
  ReaderPlace(TopicFile& file, const std::string& topic)
      : file_(file), entry_(&file.reader(claim_reader_entry(file, topic))) {}

  /// Enters the topic and returns the position to begin at; `load_reserved()` is an acquire load of `reserved`.
  ///
  /// SYNC join→scan: the cursor is stored and the entry active before the fence, `reserved` is loaded after it. A
  /// producer's scan that missed this entry loaded a `reserved` not above ours before its own fence, so the horizon
  /// that it computes, however late it lands, is at most that + capacity <= cursor + capacity.
  template <typename LoadReserved>
  std::uint64_t join(LoadReserved load_reserved) noexcept {
    entry_->cursor.store_relaxed(load_reserved());
    SLUICE_KILL_POINT("slick.join.announced");
    entry_->state.store_seq_cst(joined_once_more(entry_->state.load_relaxed()));
    SLUICE_KILL_POINT("slick.join.active");
    shm::fence_seq_cst();
    published_cursor_ = load_reserved();
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

  /// Publishers may reuse everything below `cursor`.
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

  /// Shows the books to tools; `cursor` too where nobody waits for it.
  void write_books(const ReaderStats& books, std::uint64_t next) noexcept {
    if (!file_.reliable()) entry_->cursor.store_relaxed(next);
    const BooksWrite write(entry_->version);
    entry_->joined.store_relaxed(books.joined);
    entry_->received.store_relaxed(books.received);
    entry_->lost.store_relaxed(books.lost);
    entry_->skipped.store_relaxed(books.skipped);
    entry_->bytes.store_relaxed(books.bytes);
    entry_->evictions.store_relaxed(books.evictions);
  }

 private:
  TopicFile& file_;
  ReaderEntry* entry_;
  std::uint64_t published_cursor_ = 0;
};

}  // namespace sluice::slick
