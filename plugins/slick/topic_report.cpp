#include "slick/topic_report.hpp"

#include <unistd.h>

#include <algorithm>
#include <limits>

#include <sluice/slick/layout.hpp>

#include "slick/chunk_pool.hpp"
#include "slick/raw_options.hpp"

namespace sluice::slick {

namespace {

/// Nobody's entry.
constexpr std::uint32_t kLooksOnly = std::numeric_limits<std::uint32_t>::max();

/// What fits into a cell is copied into it by publish, and out of it where it may be overwritten while it is read, or
/// is handed on: see TopicReader::take_best_effort, TopicGroupReader::read. What does not lies in the publisher's loan
/// and stays there.
std::vector<CopiesPerDelivery> copies_of(const TopicGeometry& geometry, bool reliable, bool group) {
  std::vector<CopiesPerDelivery> copies{{.up_to = static_cast<std::size_t>(geometry.inline_limit),
                                         .publish_loan = 1,
                                         .publish_copy = 1,
                                         .take = reliable && !group ? 0U : 1U}};
  if (geometry.has_pool()) copies.push_back({static_cast<std::size_t>(geometry.max_payload), 0, 1, 0});
  return copies;
}

}  // namespace

TopicReport report_topic(const TopicSpec& spec, const std::string& directory) {
  const TopicOptions options = parse_topic_options(spec);
  TopicReport report{.exists = false, .qos = spec.qos, .max_size = spec.max_size, .copies = {}, .chunks = {}};
  auto file = TopicFile::look_at(topic_path(directory, spec.name), "topic '" + spec.name + "'");
  const TopicGeometry geometry = file ? file->geometry() : plan_geometry(spec, options);
  if (file) {
    const TopicHeader& header = file->header();
    report.exists = true;
    report.max_size = geometry.max_payload;
    report.qos.reliability = static_cast<Reliability>(header.reliability);
    report.qos.durability = static_cast<Durability>(header.durability);
    report.qos.depth = header.depth;
    report.qos.history = header.history;
    if (geometry.has_pool()) report.chunks = ChunkPool(*file, kLooksOnly).usage();
  }
  report.copies = copies_of(geometry, report.qos.reliability == Reliability::reliable, !options.group.empty());
  return report;
}

TopicReport report_raw(const TopicSpec& spec) {
  const std::string segment = segment_path(parse_raw_options(spec).request.name);
  return {.exists = ::access(segment.c_str(), F_OK) == 0,
          .qos = spec.qos,
          .max_size = spec.max_size,
          .copies = {{.up_to = spec.max_size, .publish_loan = 1, .publish_copy = 1, .take = 1}},
          .chunks = {}};
}

}  // namespace sluice::slick
