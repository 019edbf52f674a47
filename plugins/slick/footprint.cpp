#include "slick/footprint.hpp"

#include <sys/stat.h>

#include <sluice/shm/memory_space.hpp>
#include <sluice/slick/layout.hpp>

#include "slick/raw_companion.hpp"
#include "slick/topic_geometry.hpp"

namespace sluice::slick {

namespace {

std::string companion_of(const std::string& segment) {
  struct stat info {};
  if (::stat(segment.c_str(), &info) == 0) return companion_name(info.st_dev, info.st_ino);
  return "segment-*.topic of " + segment;  // the segment's inode is not there yet
}

}  // namespace

Footprint topic_footprint(const TopicSpec& spec) {
  const TopicGeometry plan = plan_geometry(spec, parse_topic_options(spec));
  Footprint footprint;
  footprint.files = {{topic_path("", spec.name).substr(1), shm::whole_pages(plan.total)}};
  footprint.descriptors_per_writer = 1;  // its locks
  footprint.descriptors_per_reader = 1;
  footprint.detail = describe_geometry(plan);
  return footprint;
}

Footprint raw_footprint(const TopicSpec& spec) {
  const RawOptions options = parse_raw_options(spec);
  const std::string segment = segment_path(options.request.name);
  const std::uint64_t bytes = ring_segment_size(options.request.capacity, options.request.element_size);
  const TopicGeometry plan = plan_geometry(companion_spec(spec, options.request.capacity), options.topic);
  Footprint footprint;
  footprint.files = {{segment, shm::whole_pages(bytes)}, {companion_of(segment), shm::whole_pages(plan.total)}};
  if (!options.group.empty()) {
    footprint.files.push_back({segment_path(options.group), shm::whole_pages(sizeof(std::uint64_t))});
  }
  footprint.descriptors_per_writer = 1;  // locks in the companion
  footprint.descriptors_per_reader = 1;
  footprint.threads_per_process = 1;  // looks for what foreign programs publish
  footprint.detail = std::to_string(options.request.capacity) + " elements of " +
                     std::to_string(options.request.element_size) + " bytes; companion: " + describe_geometry(plan);
  return footprint;
}

}  // namespace sluice::slick
