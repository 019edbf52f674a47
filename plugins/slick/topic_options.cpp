#include "slick/topic_options.hpp"

#include <algorithm>
#include <sstream>

#include <sluice/transport_options.hpp>
#include <sluice/units.hpp>

#include "slick/topic_layout.hpp"

namespace sluice::slick {

namespace {

constexpr std::uint32_t kMostEntries = 4096;
constexpr std::uint32_t kMostChunks = 1U << 20U;
constexpr std::size_t kLeastChunk = shm::kCacheLine;
constexpr std::size_t kLargestChunk = std::size_t{1} << 30U;

/// "16 x 64KiB".
ChunkRequest parse_chunks(const OptionReader& reader, const std::string& text) {
  std::istringstream words(text);
  ChunkRequest request;
  std::string times;
  std::string size;
  if (!(words >> request.count >> times >> size) || times != "x" || request.count == 0 || request.count > kMostChunks) {
    reader.refuse("chunks", "'" + text + "' is not COUNT x SIZE; write e.g. 'chunks: 16 x 64KiB, 4 x 8MiB'");
  }
  std::string rest;
  try {
    if (words >> rest) size += rest;
    request.size = parse_size(size);
  } catch (const Error& error) {
    reader.refuse("chunks", error.what());
  }
  if (request.size < kLeastChunk || request.size > kLargestChunk) {
    reader.refuse("chunks",
                  "'" + size + "' is not between " + format_size(kLeastChunk) + " and " + format_size(kLargestChunk));
  }
  return request;
}

std::vector<ChunkRequest> read_chunks(const OptionReader& reader, const TopicSpec& spec) {
  std::vector<ChunkRequest> chunks;
  std::istringstream list(reader.text("chunks"));
  for (std::string one; std::getline(list, one, ',');) chunks.push_back(parse_chunks(reader, one));
  if (chunks.size() > kChunkClasses) {
    reader.refuse("chunks", std::to_string(chunks.size()) + " sizes are more than the " +
                                std::to_string(kChunkClasses) + " that a topic may have");
  }
  std::sort(chunks.begin(), chunks.end(), [](const auto& a, const auto& b) { return a.size < b.size; });
  if (!chunks.empty() && chunks.back().size < spec.max_size) {
    reader.refuse("chunks", "'" + reader.text("chunks") + "': the largest, " + format_size(chunks.back().size) +
                                ", cannot carry a message of max_size (" + format_size(spec.max_size) +
                                "); add a larger one, or lower max_size");
  }
  return chunks;
}

}  // namespace

const std::vector<std::string>& topic_option_names() {
  static const std::vector<std::string> names{"hole_timeout",    "stall_timeout", "evict_after", "max_publishers",
                                              "max_subscribers", "inline_limit",  "chunks",      "max_loans",
                                              "max_views",       "max_groups",    "group"};
  return names;
}

TopicOptions parse_topic_options(const TopicSpec& spec) {
  TopicOptions options;
  const OptionReader reader(spec);
  options.hole_timeout = reader.duration("hole_timeout", options.hole_timeout);
  options.evict_after = reader.duration("evict_after", options.evict_after);
  options.stall_timeout = reader.duration("stall_timeout", options.stall_timeout);
  if (!reader.has("stall_timeout")) options.stall_timeout = std::min(options.stall_timeout, options.evict_after / 2);
  if (options.stall_timeout >= options.evict_after) {
    reader.refuse("stall_timeout", format_duration(options.stall_timeout) + " is not shorter than evict_after (" +
                                       format_duration(options.evict_after) +
                                       "): a stopped publisher would get the readers evicted that wait for it");
  }
  if (reader.has("max_publishers")) options.max_publishers = reader.number("max_publishers", 1, 1, kMostEntries);
  if (reader.has("max_subscribers")) options.max_subscribers = reader.number("max_subscribers", 1, 1, kMostEntries);
  if (reader.has("inline_limit")) options.inline_limit = reader.size("inline_limit", 8, std::size_t{1} << 20U);
  options.max_loans = reader.number("max_loans", options.max_loans, 1, 1024);
  options.max_views = reader.number("max_views", options.max_views, 1, 1024);
  options.max_groups = reader.number("max_groups", options.max_groups, 0, 64);
  options.chunks = read_chunks(reader, spec);
  if (!options.chunks.empty() && spec.max_size <= options.inline_limit) {
    reader.refuse("chunks", "no message is longer than inline_limit (" + format_size(options.inline_limit) +
                                "), so none needs a chunk; raise max_size, lower inline_limit, or remove it");
  }
  if (!reader.has("segment")) options.group = reader.text("group");  // raw topics read their own
  if (options.group.size() >= sizeof(GroupEntry::name)) {
    reader.refuse("group", "'" + options.group + "' is longer than " + std::to_string(sizeof(GroupEntry::name) - 1) +
                               " characters");
  }
  return options;
}

}  // namespace sluice::slick
