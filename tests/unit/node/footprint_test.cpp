#include <sluice/graph.hpp>
#include <sluice/sluice.hpp>
#include <sluice/transport_registry.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "support/segment_name.hpp"
#include "support/temporary_directory.hpp"

using namespace sluice;
using sluice::test::SegmentName;
using sluice::test::TemporaryDirectory;

namespace {

std::set<std::string> names_in(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) names.insert(entry.path().filename());
  return names;
}

/// What this process has more of than at the beginning. Threads by name: one that was joined may still be listed.
class Growth {
 public:
  [[nodiscard]] std::size_t descriptors() const { return names_in("/proc/self/fd").size() - descriptors_; }
  [[nodiscard]] std::size_t threads() const {
    const std::set<std::string> now = names_in("/proc/self/task");
    return static_cast<std::size_t>(
        std::count_if(now.begin(), now.end(), [&](const std::string& thread) { return !threads_.contains(thread); }));
  }

 private:
  std::size_t descriptors_ = names_in("/proc/self/fd").size();
  std::set<std::string> threads_ = names_in("/proc/self/task");
};

std::uint64_t bytes_of(const std::string& path) {
  struct stat info {};
  INFO(path);
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return static_cast<std::uint64_t>(info.st_blocks) * 512;
}

/// All topics of a configuration, opened; what they take is compared with what their transports say.
class OpenTopics {
 public:
  explicit OpenTopics(const std::string& yaml)
      : config_(Config::parse("runtime_dir: " + directory_.path() + "/run\n" + yaml, "test.yaml")),
        transports_(config_.domain().plugin_path) {}

  void check(std::uint32_t endpoints) {
    const Growth growth;
    std::size_t descriptors = 0;
    std::map<std::string, std::size_t> threads;
    std::map<std::string, FootprintFile> files;
    for (const std::string& name : config_.topic_names()) {
      const TopicSpec spec = config_.topic(name);
      Transport& transport = transports_.get(spec.transport);
      const Footprint before = transport.footprint(spec);
      const std::uint32_t writers = transport.traits(spec).many_publishers ? endpoints : 1;
      for (std::uint32_t k = 0; k < writers; ++k) writers_.push_back(transport.open_writer(spec, context()));
      for (std::uint32_t k = 0; k < endpoints; ++k) readers_.push_back(transport.open_reader(spec, context()));
      descriptors += writers * before.descriptors_per_writer + endpoints * before.descriptors_per_reader;
      threads[spec.transport] = std::max<std::size_t>(threads[spec.transport], before.threads_per_process);
      // Now that they exist, files that are named after others have their names.
      const Footprint after = transport.footprint(spec);
      REQUIRE(after.files.size() == before.files.size());
      for (std::size_t k = 0; k < after.files.size(); ++k) {
        CHECK(after.files[k].bytes == before.files[k].bytes);
        files[path_of(after.files[k])] = after.files[k];
      }
    }
    std::size_t all_threads = 0;
    for (const auto& [transport, count] : threads) all_threads += count;
    for (const auto& [path, file] : files) {
      INFO(path);
      CHECK(bytes_of(path) == file.bytes);
      descriptors += file.descriptors_per_process;
    }
    CHECK(growth.descriptors() == descriptors);
    CHECK(growth.threads() == all_threads);
    // And there are no others.
    const std::string ours = "sluice-test-" + std::to_string(::getpid()) + "-";
    for (const std::string& name : names_in("/dev/shm")) {
      if (name.find(ours) != std::string::npos) CHECK(files.contains("/dev/shm/" + name));
    }
    if (!std::filesystem::exists(directory())) return;
    for (const std::string& name : names_in(directory())) CHECK(files.contains(directory() + "/" + name));
  }

 private:
  [[nodiscard]] std::string directory() const { return config_.domain().directory(); }
  [[nodiscard]] TransportContext context() const { return {directory(), {}}; }
  [[nodiscard]] std::string path_of(const FootprintFile& file) const {
    return file.path.starts_with('/') ? file.path : directory() + "/" + file.path;
  }

  TemporaryDirectory directory_;
  Config config_;
  TransportRegistry transports_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::vector<std::unique_ptr<Reader>> readers_;
};

}  // namespace

TEST_CASE("Sluice topics take what their transport says") {
  const std::uint32_t endpoints = GENERATE(1U, 3U);
  OpenTopics(R"(topics:
  /default: {}
  /small: {depth: 1, max_size: 1B}
  /imu/raw: {reliability: reliable, depth: 100, max_size: 200B}
  /camera/image: {max_size: 1MiB, depth: 8}
  /many: {max_publishers: 300, max_subscribers: 1000, depth: 64, max_size: 1000B}
)")
      .check(endpoints);
}

TEST_CASE("raw topics take a segment, its companion and a group's cursor, shared ones once") {
  const std::uint32_t endpoints = GENERATE(1U, 3U);
  const SegmentName shared;
  const SegmentName reliable;
  const SegmentName group;
  OpenTopics("topics:\n  /ticks: {segment: " + shared.name() + ", element: 24, depth: 1000}\n" +
             "  /ticks/workers: {segment: " + shared.name() + ", element: 24, depth: 1000, group: " + group.name() +
             "}\n  /sure: {segment: " + reliable.name() + ", element: 64, depth: 5000, reliability: reliable}\n")
      .check(endpoints);
}

TEST_CASE("both directions of a channel take one segment, and all channels one thread") {
  const std::uint32_t endpoints = GENERATE(1U, 3U);
  const SegmentName name;
  const std::string channel = name.name().substr(1);
  OpenTopics("topics:\n  /command: {transport: eshm, channel: " + channel + ", direction: master_to_slave}\n" +
             "  /state: {transport: eshm, channel: " + channel + ", direction: slave_to_master}\n" +
             "  /map: {transport: eshm, channel: " + channel + "-map, direction: master_to_slave, max_size: 1MiB}\n")
      .check(endpoints);
}

TEST_CASE("topics within a process take nothing that is shared") {
  OpenTopics("topics: {/inside: {transport: inproc, depth: 100}}").check(3);
}

TEST_CASE("a process takes its record and its control thread beside its topics") {
  const std::size_t topics = GENERATE(0U, 15U, 16U, 40U);
  const TemporaryDirectory directory;
  NodeOptions options;
  options.config =
      Config::parse("runtime_dir: " + directory.path() + "/run\ntopics: {/**: {transport: inproc}}", "test.yaml");
  const Growth growth;
  Node node("node", options);
  std::vector<BytesPublisher> publishers;
  std::vector<BytesSubscription> subscriptions;
  for (std::size_t k = 0; k < topics; ++k) {
    publishers.push_back(node.advertise_bytes("topic" + std::to_string(k)));
    subscriptions.push_back(node.subscribe_bytes("topic" + std::to_string(k), [](std::span<const std::byte>) {}));
  }
  const Footprint footprint = process_footprint(1 + 2 * topics);
  const std::string records = options.config.domain().directory() + "/processes";
  const std::set<std::string> names = names_in(records);
  REQUIRE(names.size() == 2);  // the record and its control socket, which has no bytes
  REQUIRE(footprint.files.size() == 1);
  CHECK(bytes_of(records + "/" + *names.rbegin()) == footprint.files[0].bytes);
  CHECK(growth.descriptors() == footprint.files[0].descriptors_per_process);
  CHECK(growth.threads() == footprint.threads_per_process);
}
