#include "slick/raw_options.hpp"

#include <sluice/transport_options.hpp>

#include <algorithm>
#include <bit>

namespace sluice::slick {

namespace {

void require_name(const OptionReader& reader, const std::string& key, const std::string& name) {
  try {
    (void)segment_path(name);
  } catch (const Error& error) {
    reader.refuse(key, error.what());
  }
}

void read_group(const OptionReader& reader, const TopicSpec& spec, RawOptions& options) {
  if (!reader.has("group")) return;
  options.group = reader.text("group");
  require_name(reader, "group", options.group);
  if (segment_path(options.group) == segment_path(options.request.name)) {
    reader.refuse("group", "'" + options.group +
                               "' is the segment itself; a group needs an 8-byte object of its own, e.g. 'group: " +
                               options.request.name + "-workers'");
  }
  if (spec.qos.reliability == Reliability::reliable) {
    reader.refuse("group", "a work-stealing group is best_effort; leave out 'reliability: reliable'");
  }
}

}  // namespace

bool is_raw(const TopicSpec& spec) { return spec.options.count("segment") != 0; }

RawOptions parse_raw_options(const TopicSpec& spec) {
  RawOptions options;
  const OptionReader reader(spec);
  options.request.name = reader.text("segment");
  require_name(reader, "segment", options.request.name);
  if (!reader.has("element")) {
    reader.refuse("segment", "a raw topic needs 'element', the size of one element in bytes, e.g. 'element: 64'");
  }
  options.request.element_size = static_cast<std::uint32_t>(reader.size("element", 1, 1U << 30U));
  const bool reliable = spec.qos.reliability == Reliability::reliable;
  options.request.capacity = std::bit_ceil(std::max<std::uint32_t>(reliable ? kMinCapacity : 2, spec.qos.depth));
  options.request.capacity_required = spec.origins.count("depth") != 0;
  options.request.adopt = reader.boolean("adopt", true);
  options.mode = reader.file_mode("mode");
  options.hole_timeout = reader.duration("hole_timeout", options.hole_timeout);
  options.topic = parse_topic_options(spec);
  options.topic.max_groups = 0;  // a raw group's cursor is an object of its own
  read_group(reader, spec, options);
  if (spec.type.fixed_size % options.request.element_size != 0) {
    reader.refuse("element", "type '" + spec.type.name + "' has " + std::to_string(spec.type.fixed_size) +
                                 " bytes, which is no whole number of elements of " +
                                 std::to_string(options.request.element_size) + " bytes");
  }
  return options;
}

}  // namespace sluice::slick
