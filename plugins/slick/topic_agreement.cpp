#include "slick/topic_agreement.hpp"

#include <sluice/shm/fixed_text.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/units.hpp>

#include <algorithm>
#include <bit>
#include <string_view>

namespace sluice::slick {

namespace {

std::string reliability_text(std::uint8_t value) {
  return value == static_cast<std::uint8_t>(Reliability::reliable) ? "reliable" : "best_effort";
}

std::string durability_text(std::uint8_t value) {
  return value == static_cast<std::uint8_t>(Durability::transient_local) ? "transient_local" : "volatile";
}

/// One comparison: a setting that was written down must equal what the topic has.
class Agreement {
 public:
  Agreement(const TopicHeader& header, const TopicSpec& spec) : header_(header), spec_(spec) {}

  void require(const std::string& key, const std::string& ours, const std::string& theirs) const {
    if (ours == theirs || spec_.origins.count(key) == 0) return;
    refuse(key, ours, theirs);
  }

  void require_option(const std::string& key, const std::string& theirs) const {
    const auto option = spec_.options.find(key);
    if (option == spec_.options.end() || option->second.value == theirs) return;
    refuse(key, option->second.value, theirs);
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& ours, const std::string& theirs) const {
    const auto option = spec_.options.find(key);
    throw ConfigError(option == spec_.options.end() ? spec_.origin(key) : option->second.origin,
                      "topic '" + spec_.name + "': " + key + " is '" + ours +
                          "' here, but the topic was opened with '" + theirs + "' by " +
                          shm::load_text(header_.segment.creator) + " (pid " +
                          std::to_string(header_.segment.creator_pid) + "); give both the same configuration");
  }

 private:
  const TopicHeader& header_;
  const TopicSpec& spec_;
};

}  // namespace

void write_topic_header(TopicHeader& header, const TopicSpec& spec, const TopicGeometry& geometry) {
  header.capacity = geometry.capacity;
  header.cell_stride = geometry.cell_stride;
  header.max_payload = geometry.max_payload;
  header.readers_offset = geometry.readers_offset;
  header.writers_offset = geometry.writers_offset;
  header.inline_limit = geometry.inline_limit;
  header.horizon_step = geometry.horizon_step;
  header.reach = geometry.reach;
  header.window = geometry.window;
  header.holds_offset = geometry.holds_offset;
  header.groups_offset = geometry.groups_offset;
  header.group_stride = geometry.group_stride;
  header.ring_offset = geometry.ring_offset;
  header.chunks_offset = geometry.chunks_offset;
  header.chunk_classes = geometry.chunk_classes;
  header.max_views = geometry.max_views;
  header.max_loans = geometry.max_loans;
  header.max_groups = geometry.max_groups;
  header.max_readers = geometry.max_readers;
  header.max_writers = geometry.max_writers;
  header.depth = spec.qos.depth;
  header.history = spec.qos.history;
  header.reliability = static_cast<std::uint8_t>(spec.qos.reliability);
  header.durability = static_cast<std::uint8_t>(spec.qos.durability);
  shm::store_text(header.topic_name, spec.name);
  agree_on_type(header, spec);
}

void agree_on_type(TopicHeader& header, const TopicSpec& spec) {
  if (spec.type.name.empty()) return;  // bytes whose type nobody declared go with every type
  if (header.type_known == 0) {
    // Dying before the last line leaves the type undeclared, and the next one writes it anew.
    header.type_size = spec.type.fixed_size;
    shm::store_text(header.type_name, spec.type.name);
    SLUICE_KILL_POINT("slick.agree.type_written");
    header.type_known = 1;
    SLUICE_KILL_POINT("slick.agree.type_known");
    return;
  }
  const Agreement agreement(header, spec);
  const std::string type_name = shm::load_text(header.type_name);
  if (type_name != spec.type.name.substr(0, kNameLength - 1)) agreement.refuse("type", spec.type.name, type_name);
  if (header.type_size != 0 && spec.type.fixed_size != 0 && header.type_size != spec.type.fixed_size) {
    agreement.refuse("size of type '" + spec.type.name + "'", std::to_string(spec.type.fixed_size) + " bytes",
                     std::to_string(header.type_size) + " bytes");
  }
}

namespace {

/// Says whether parts of a file lie inside it, one behind the other.
class Parts {
 public:
  explicit Parts(std::uint64_t file_size) : file_size_(file_size), end_(kPage) {}

  [[nodiscard]] bool next(std::uint64_t offset, std::uint64_t count, std::uint64_t each) {
    if (offset % shm::kCacheLine != 0 || offset < end_ || offset > file_size_) return false;
    if (each != 0 && count > (file_size_ - offset) / each) return false;
    end_ = offset + count * each;
    return true;
  }

 private:
  std::uint64_t file_size_;
  std::uint64_t end_;
};

bool ring_is_sound(const TopicHeader& header) {
  return std::has_single_bit(header.capacity) && header.capacity >= kMinCapacity && header.horizon_step >= 1 &&
         header.horizon_step <= header.capacity / 4 && header.reach >= header.horizon_step &&
         header.reach <= header.capacity && header.window >= header.horizon_step && header.window <= header.capacity &&
         header.history <= header.capacity / 4 * 3 && header.cell_stride % shm::kCacheLine == 0 &&
         header.cell_stride >= kCellHeader && header.inline_limit <= header.cell_stride - kCellHeader &&
         header.inline_limit <= header.max_payload && header.max_readers > 0 && header.max_writers > 0;
}

bool chunks_are_sound(const TopicHeader& header, Parts& parts) {
  const auto& classes = header.chunk_classes;
  std::uint64_t count = 0;
  std::uint64_t largest = 0;
  for (const ChunkClass& chunks : classes) {
    if (chunks.count == 0) continue;
    if (chunks.first != count || chunks.size <= largest || chunks.size % shm::kCacheLine != 0) return false;
    count += chunks.count;
    largest = chunks.size;
  }
  if (header.max_payload == header.inline_limit) return count == 0;
  if (largest < header.max_payload || header.max_views == 0 || header.max_loans == 0) return false;
  if (header.inline_limit < sizeof(ChunkReference) || count > UINT32_MAX) return false;
  if (!parts.next(header.chunks_offset, count, sizeof(ChunkState))) return false;
  return std::all_of(classes.begin(), classes.end(), [&](const ChunkClass& chunks) {
    return chunks.count == 0 || parts.next(chunks.offset, chunks.count, chunks.size);
  });
}

std::uint64_t hold_stride(const TopicHeader& header) {
  return (header.max_views * sizeof(std::uint32_t) + shm::kIsolation - 1) / shm::kIsolation * shm::kIsolation;
}

}  // namespace

void check_topic_header(const TopicHeader& header, std::size_t file_size, const std::string& what,
                        const std::string& path) {
  Parts parts(file_size);
  const bool sound = ring_is_sound(header) && header.readers_offset >= kPage + sizeof(TopicControl) &&
                     parts.next(header.readers_offset, header.max_readers, sizeof(ReaderEntry)) &&
                     parts.next(header.writers_offset, header.max_writers, sizeof(WriterEntry)) &&
                     parts.next(header.holds_offset, header.max_readers, hold_stride(header)) &&
                     parts.next(header.groups_offset, header.max_groups, header.group_stride) &&
                     (header.max_groups == 0 ||
                      (header.group_stride % shm::kCacheLine == 0 && header.group_stride >= sizeof(GroupEntry) &&
                       header.capacity <= (header.group_stride - sizeof(GroupEntry)) / sizeof(std::uint64_t))) &&
                     parts.next(header.ring_offset, header.capacity, header.cell_stride) &&
                     chunks_are_sound(header, parts);
  if (!sound) {
    throw Error(what + ": its file cannot be used: '" + path + "' has a damaged header; remove it");
  }
}

TopicGeometry read_geometry(const TopicHeader& header) {
  TopicGeometry geometry;
  geometry.capacity = header.capacity;
  geometry.mask = header.capacity - 1;
  geometry.horizon_step = header.horizon_step;
  geometry.reach = header.reach;
  geometry.window = header.window;
  geometry.inline_limit = header.inline_limit;
  geometry.history = header.history;
  geometry.cell_stride = header.cell_stride;
  geometry.max_payload = header.max_payload;
  geometry.readers_offset = header.readers_offset;
  geometry.writers_offset = header.writers_offset;
  geometry.holds_offset = header.holds_offset;
  geometry.hold_stride = hold_stride(header);
  geometry.groups_offset = header.groups_offset;
  geometry.group_stride = header.group_stride;
  geometry.ring_offset = header.ring_offset;
  geometry.chunks_offset = header.chunks_offset;
  geometry.total = header.segment.size;
  geometry.max_views = header.max_views;
  geometry.max_loans = header.max_loans;
  geometry.max_groups = header.max_groups;
  geometry.chunk_classes = header.chunk_classes;
  for (const ChunkClass& chunks : header.chunk_classes) geometry.chunk_count += chunks.count;
  geometry.max_readers = header.max_readers;
  geometry.max_writers = header.max_writers;
  return geometry;
}

namespace {

std::string pool_text(const std::array<ChunkClass, kChunkClasses>& classes) {
  std::string text;
  for (const ChunkClass& chunks : classes) {
    if (chunks.count == 0) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(chunks.count) + " x " + format_size(chunks.size);
  }
  return text.empty() ? "none" : text;
}

void agree_on_pool(const Agreement& agreement, const TopicHeader& header, const TopicSpec& spec) {
  if (header.inline_limit != header.max_payload) {
    agreement.require_option("max_loans", std::to_string(header.max_loans));
    agreement.require_option("max_views", std::to_string(header.max_views));
  }
  const TopicGeometry ours = plan_geometry(spec, parse_topic_options(spec));
  const auto differs = [&](const std::string& key) { return spec.options.count(key) != 0; };
  if (differs("inline_limit") && spec.max_size == header.max_payload && ours.inline_limit != header.inline_limit) {
    agreement.refuse("inline_limit", format_size(ours.inline_limit), format_size(header.inline_limit));
  }
  if (differs("chunks") && pool_text(ours.chunk_classes) != pool_text(header.chunk_classes)) {
    agreement.refuse("chunks", pool_text(ours.chunk_classes), pool_text(header.chunk_classes));
  }
}

}  // namespace

void check_agreement(const TopicHeader& header, const TopicSpec& spec) {
  const Agreement agreement(header, spec);
  agreement.require("reliability", reliability_text(static_cast<std::uint8_t>(spec.qos.reliability)),
                    reliability_text(header.reliability));
  agreement.require("durability", durability_text(static_cast<std::uint8_t>(spec.qos.durability)),
                    durability_text(header.durability));
  agreement.require("depth", std::to_string(spec.qos.depth), std::to_string(header.depth));
  if (spec.qos.history > header.history) {  // who asks for less gets less
    agreement.require("history", std::to_string(spec.qos.history), std::to_string(header.history));
  }
  agreement.require("max_size", std::to_string(spec.max_size), std::to_string(header.max_payload));
  agreement.require_option("max_publishers", std::to_string(header.max_writers));
  agreement.require_option("max_subscribers", std::to_string(header.max_readers));
  agreement.require_option("max_groups", std::to_string(header.max_groups));
  agree_on_pool(agreement, header, spec);
  if (spec.type.fixed_size > header.max_payload) {
    agreement.refuse("max_size", std::to_string(spec.type.fixed_size), std::to_string(header.max_payload));
  }
}

}  // namespace sluice::slick
