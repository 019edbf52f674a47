#include "slick/topic_agreement.hpp"

#include <sluice/shm/fixed_text.hpp>
#include <sluice/shm/kill_point.hpp>

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
  header.ring_offset = geometry.ring_offset;
  header.pool_offset = geometry.total;
  header.pool_size = 0;
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

void check_topic_header(const TopicHeader& header, std::size_t file_size, const std::string& what,
                        const std::string& path) {
  const auto fits = [&](std::uint64_t offset, std::uint64_t count, std::uint64_t each) {
    return offset % shm::kCacheLine == 0 && offset <= file_size && each != 0 && count <= (file_size - offset) / each;
  };
  const bool sound = std::has_single_bit(header.capacity) && header.capacity >= kMinCapacity &&
                     header.cell_stride % shm::kCacheLine == 0 && header.cell_stride >= kCellHeader &&
                     header.max_payload <= header.cell_stride - kCellHeader && header.max_readers > 0 &&
                     header.max_writers > 0 && header.readers_offset >= kPage + sizeof(TopicControl) &&
                     fits(header.readers_offset, header.max_readers, sizeof(ReaderEntry)) &&
                     fits(header.writers_offset, header.max_writers, sizeof(WriterEntry)) &&
                     fits(header.ring_offset, header.capacity, header.cell_stride) &&
                     header.readers_offset + header.max_readers * sizeof(ReaderEntry) <= header.writers_offset &&
                     header.writers_offset + header.max_writers * sizeof(WriterEntry) <= header.ring_offset;
  if (!sound) {
    throw Error(what + ": its file cannot be used: '" + path + "' has a damaged header; remove it");
  }
}

TopicGeometry read_geometry(const TopicHeader& header) {
  TopicGeometry geometry;
  geometry.capacity = header.capacity;
  geometry.mask = header.capacity - 1;
  geometry.horizon_step = header.capacity / 4;
  geometry.cell_stride = header.cell_stride;
  geometry.max_payload = header.max_payload;
  geometry.readers_offset = header.readers_offset;
  geometry.writers_offset = header.writers_offset;
  geometry.ring_offset = header.ring_offset;
  geometry.total = header.segment.size;
  geometry.max_readers = header.max_readers;
  geometry.max_writers = header.max_writers;
  return geometry;
}

void check_agreement(const TopicHeader& header, const TopicSpec& spec) {
  const Agreement agreement(header, spec);
  agreement.require("reliability", reliability_text(static_cast<std::uint8_t>(spec.qos.reliability)),
                    reliability_text(header.reliability));
  agreement.require("durability", durability_text(static_cast<std::uint8_t>(spec.qos.durability)),
                    durability_text(header.durability));
  agreement.require("depth", std::to_string(spec.qos.depth), std::to_string(header.depth));
  agreement.require("history", std::to_string(spec.qos.history), std::to_string(header.history));
  agreement.require("max_size", std::to_string(spec.max_size), std::to_string(header.max_payload));
  agreement.require_option("max_publishers", std::to_string(header.max_writers));
  agreement.require_option("max_subscribers", std::to_string(header.max_readers));
  if (spec.type.fixed_size > header.max_payload) {
    agreement.refuse("max_size", std::to_string(spec.type.fixed_size), std::to_string(header.max_payload));
  }
}

}  // namespace sluice::slick
