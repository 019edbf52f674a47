#pragma once

#include <cstdint>

#include "fuzz/input.hpp"
#include "slick/topic_file.hpp"

namespace sluice::fuzz {

/// A process that does not keep to the rules of a Sluice topic: it stores what the input says into any word of the
/// file. Values near those that mean something are likely.
class TopicWords {
 public:
  TopicWords(slick::TopicFile& file, Input& input) : file_(file), input_(input) {}

  void store() {
    slick::TopicControl& control = file_.control();
    const auto& geometry = file_.geometry();
    switch (input_.below(10)) {
      case 0: store_header(); break;
      case 1: store_anywhere(&control, sizeof control); break;
      case 2: store_anywhere(&file_.reader(input_.below(geometry.max_readers)), sizeof(slick::ReaderEntry)); break;
      case 3: store_anywhere(&file_.writer(input_.below(geometry.max_writers)), sizeof(slick::WriterEntry)); break;
      case 4: store_anywhere(&file_.group(input_.below(geometry.max_groups)), sizeof(slick::GroupEntry)); break;
      case 5: store_record(); break;
      case 6: store_cell(); break;
      case 7: store_claim(); break;
      case 8: store_pool(); break;
      case 9: store_end(); break;
    }
  }

 private:
  [[nodiscard]] std::uint64_t reserved() const { return file_.control().reserved.load_relaxed(); }

  /// A position that is in the ring, was, or will be; or none at all.
  [[nodiscard]] std::uint64_t position() {
    const std::uint32_t how = input_.below(4);
    if (how == 3) return input_.take<std::uint64_t>();
    return reserved() + static_cast<std::uint64_t>(std::int64_t{input_.take<std::int8_t>()});
  }

  [[nodiscard]] std::uint64_t value() {
    switch (input_.below(4)) {
      case 0: return input_.take<std::uint8_t>();
      case 1: return position();
      case 2: return static_cast<std::uint64_t>(std::int64_t{input_.take<std::int8_t>()});
      default: return input_.take<std::uint64_t>();
    }
  }

  /// A word of four or of eight bytes.
  void store_anywhere(void* memory, std::size_t size) {
    const bool wide = input_.below(2) == 0;
    const std::size_t width = wide ? 8 : 4;
    const std::size_t offset = input_.take<std::uint16_t>() % (size / width) * width;
    const std::uint64_t word = value();
    std::memcpy(static_cast<std::byte*>(memory) + offset, &word, width);
  }

  /// Whoever has the file open keeps to what it was when it came.
  void store_header() { store_anywhere(const_cast<slick::TopicHeader*>(&file_.header()), sizeof(slick::TopicHeader)); }

  void store_record() {
    auto& record = file_.writer(input_.below(file_.geometry().max_writers)).record;
    const auto state = slick::RecordState{input_.below(4)};
    const std::uint64_t count = input_.below(64);
    record.store_relaxed(slick::record_of(position(), count, state));
  }

  void store_cell() {
    const std::uint64_t where = position();
    slick::Cell& cell = file_.cell(where);
    switch (input_.below(5)) {
      case 0: cell.stamp.store_relaxed(slick::stamp_message(where)); break;
      case 1: cell.stamp.store_relaxed(slick::stamp_jump(where)); break;
      case 2: cell.stamp.store_relaxed(value()); break;
      case 3: cell.length = static_cast<std::uint32_t>(value()); break;
      case 4: {
        const auto chunk = static_cast<std::uint32_t>(value());
        std::memcpy(slick::TopicFile::payload(cell), &chunk, sizeof chunk);
        break;
      }
    }
  }

  void store_claim() {
    const std::uint64_t where = position();
    const auto state = slick::ClaimState{input_.below(4)};
    const std::uint64_t member = input_.below(2) == 0 ? input_.below(8) : input_.take<std::uint16_t>();
    file_.claim(input_.below(file_.geometry().max_groups), where).store_relaxed(slick::claim_of(where, member, state));
  }

  void store_pool() {
    const auto& geometry = file_.geometry();
    if (!geometry.has_pool()) return;
    const std::uint32_t chunk = input_.below(geometry.chunk_count);
    auto& word = file_.chunk_state(chunk).word;
    const auto holds = file_.holds(input_.below(geometry.max_readers));
    switch (input_.below(5)) {
      case 0: word.store_relaxed(slick::chunk_lent(input_.below(256))); break;
      case 1: word.store_relaxed(slick::chunk_published(position())); break;
      case 2: word.store_relaxed(value()); break;
      case 3: holds[input_.below(holds.size())].store_relaxed(chunk + 1); break;
      case 4: holds[input_.below(holds.size())].store_relaxed(static_cast<std::uint32_t>(value())); break;
    }
  }

  void store_end() {
    slick::TopicControl& control = file_.control();
    (input_.below(2) == 0 ? control.reserved : control.horizon).store_relaxed(position());
  }

  slick::TopicFile& file_;
  Input& input_;
};

}  // namespace sluice::fuzz
