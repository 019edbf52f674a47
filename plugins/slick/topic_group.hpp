#pragma once

#include <cstdint>
#include <string>

#include "slick/entries.hpp"
#include "slick/topic_file.hpp"

namespace sluice::slick {

/// A work-stealing group in a topic's file. PROTOCOL.md, "Groups". Used by members, and by publishers whom a group
/// holds up.
///
/// Who writes what: members and stalled publishers advance `cursor` (CAS +1) over what is done; members claim by CAS on
/// a position's word and raise `next`; who joins begins a life of the group under kGroupsByte; it ends
/// by CAS of `life`, from the very one that was found to be over.
class TopicGroup {
 public:
  TopicGroup(TopicFile& file, std::uint32_t index) noexcept : file_(&file), index_(index) {}

  [[nodiscard]] GroupEntry& entry() const noexcept { return file_->group(index_); }
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  [[nodiscard]] shm::SharedAtomic<std::uint64_t>& claim(std::uint64_t position) const noexcept {
    return file_->claim(index_, position);
  }

  /// Changes the position's word from that of an earlier lap to `wanted`; whether it was us.
  [[nodiscard]] bool settle(std::uint64_t position, std::uint64_t wanted) noexcept;

  /// Moves `cursor` over everything that is done; whether it moved.
  bool advance_cursor() noexcept;

  /// The member that is entitled to the position is gone or was evicted, so that it can be claimed anew.
  [[nodiscard]] bool is_abandoned(std::uint64_t word) noexcept;

  /// A publisher has waited for `evict_after` without seeing the group's cursor leave `position`: evicts whoever is to
  /// blame. Whether something changed.
  bool evict_laggards(std::uint64_t position) noexcept;

  /// Whether the calling thread is the one that all members who could move the group's cursor are taken from.
  [[nodiscard]] bool is_own() const noexcept;

  /// Ends the group if no living member is in it; whether it did. With kGroupsByte held by nobody else.
  bool end_if_deserted() noexcept;

  /// As above; the caller holds kGroupsByte.
  bool end_if_deserted_locked() noexcept;

  /// Makes the group begin anew at R - history; the caller holds kGroupsByte and found that it does not live.
  void begin(const std::string& name, std::uint64_t history) noexcept;

 private:
  bool end(std::uint32_t life) noexcept;

  TopicFile* file_;
  std::uint32_t index_;
};

/// The group of that name, or a place for it; the caller holds kGroupsByte. Throws Error when all are in use.
[[nodiscard]] std::uint32_t find_group(TopicFile& file, const std::string& name, const std::string& topic);

}  // namespace sluice::slick
