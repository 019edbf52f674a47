#include <sys/stat.h>

#include <catch2/catch.hpp>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "slick/topic_layout.hpp"
#include "support/child_process.hpp"
#include "unit/slick/slick_support.hpp"

using namespace sluice;
using namespace sluice::test;
using Catch::Matchers::Contains;

namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs `body` in a process that opens an endpoint and is then killed; the file it leaves is a leftover.
void leave_leftover(const TopicBench& bench) {
  const TopicBench* shared = &bench;
  ChildProcess child([shared] {
    const auto writer = shared->writer();
    const auto reader = shared->reader();
    for (int i = 0; i < 3; ++i) (void)send(*writer, "old");
    for (;;) ::pause();
    return 0;
  });
  auto opened = [&] {
    const auto attached = shm::attach_segment(bench.path(), shm::SegmentKind::topic, slick::kTopicVersion, slick::kPage,
                                              shm::MapMode::read_only);
    return attached.ok() && attached.mapping.at<slick::TopicControl>(slick::kPage)->reserved.load_acquire() == 3;
  };
  REQUIRE(eventually(opened));
  child.kill(SIGKILL);
  child.wait();
  REQUIRE(bench.file_exists());
}

}  // namespace

TEST_CASE("a topic's name becomes its file's name") {
  CHECK(slick::topic_path("/dev/shm/d", "/imu/raw") == "/dev/shm/d/imu.raw.topic");
  CHECK(slick::topic_path("/d", "/a") == "/d/a.topic");
}

TEST_CASE("the last endpoint out removes the file, whichever it is") {
  const TopicBench bench;
  auto writer = bench.writer();
  auto reader = bench.reader();
  auto second = bench.writer();
  REQUIRE(bench.file_exists());
  second.reset();
  CHECK(bench.file_exists());
  SECTION("the reader") {
    writer.reset();
    CHECK(bench.file_exists());
    reader.reset();
  }
  SECTION("the writer") {
    reader.reset();
    CHECK(bench.file_exists());
    writer.reset();
  }
  CHECK_FALSE(bench.file_exists());
  CHECK(std::filesystem::is_empty(bench.directory.path()));
  const auto again = bench.reader();
  CHECK(again->stats().joined == 0);
}

TEST_CASE("what dead processes left is replaced, not joined") {
  const TopicBench bench;
  leave_leftover(bench);
  const auto reader = bench.reader();
  CHECK(reader->stats().joined == 0);
  CHECK(reader->writer_count() == 0);
  const auto writer = bench.writer();
  REQUIRE(send(*writer, "new") == PublishResult::ok);
  CHECK(receive_all(*reader) == std::vector<std::string>{"new"});
}

TEST_CASE("a leftover of another shape, or of another version, is no obstacle") {
  TopicBench bench;
  leave_leftover(bench);
  SECTION("shape") {
    bench.spec.qos.depth = 100;
    bench.spec.max_size = 1000;
    bench.spec.qos.reliability = Reliability::reliable;
    for (const char* key : {"depth", "max_size", "reliability"}) bench.spec.origins[key] = {"demo.yaml", 1, 1};
  }
  SECTION("version") {
    std::fstream file(bench.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offsetof(shm::SegmentHeader, version));
    file.put(99);
  }
  CHECK_NOTHROW(bench.writer());
  CHECK_FALSE(bench.file_exists());
}

TEST_CASE("a file of another version that is in use is refused and left alone") {
  const TopicBench bench;
  const auto holder = bench.writer();
  std::fstream file(bench.path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offsetof(shm::SegmentHeader, version));
  file.put(99);
  file.flush();
  CHECK_THROWS_WITH(bench.reader(), "topic '/bench/topic': its file cannot be used: '" + bench.path() +
                                        "' has format version 99, this Sluice speaks version 3; run one version of "
                                        "Sluice in a domain");
  CHECK(bench.file_exists());
}

TEST_CASE("remove_leftovers removes what nobody has open and nothing else") {
  TopicBench bench;
  leave_leftover(bench);
  TopicBench other;
  TopicSpec live = bench.spec;
  live.name = "/live";
  const auto reader = bench.transport->open_reader(live, bench.context());
  std::ofstream(bench.directory.path() + "/foreign.topic") << "not ours";
  std::ofstream(bench.directory.path() + "/notes.txt") << "not ours";
  std::filesystem::create_directory(bench.directory.path() + "/directory.topic");
  CHECK(bench.transport->remove_leftovers(bench.context()) == 1);
  CHECK_FALSE(bench.file_exists());
  CHECK(std::distance(std::filesystem::directory_iterator(bench.directory.path()), {}) == 4);
  CHECK(bench.transport->remove_leftovers({"/no/such/directory", {}}) == 0);
}

TEST_CASE("both sides of a disagreement are named with their values") {
  TopicBench bench(Reliability::reliable, 8, 64);
  bench.spec.type = {"demo/Imu", 48};
  const auto first = bench.writer();
  const std::string by = first ? shm::attach_segment(bench.path(), shm::SegmentKind::topic, slick::kTopicVersion,
                                                     slick::kPage, shm::MapMode::read_only)
                                     .mapping.at<shm::SegmentHeader>(0)
                                     ->creator.data()
                               : "";
  const std::string tail = " by " + by + " (pid " + std::to_string(::getpid()) + "); give both the same configuration";
  const auto written = [&](const std::string& key) { bench.spec.origins[key] = {"demo.yaml", 3, 9}; };
  const auto expect = [&](const std::string& key, const std::string& ours, const std::string& theirs,
                          const std::string& at) {
    CHECK_THROWS_WITH(bench.reader(), at + ": topic '/bench/topic': " + key + " is '" + ours +
                                          "' here, but the topic was opened with '" + theirs + "'" + tail);
  };
  const std::string place = "demo.yaml:3:9";
  SECTION("type") {
    bench.spec.type.name = "demo/Pose";
    expect("type", "demo/Pose", "demo/Imu", "default");
  }
  SECTION("type size") {
    bench.spec.type.fixed_size = 56;
    expect("size of type 'demo/Imu'", "56 bytes", "48 bytes", "default");
  }
  SECTION("depth") {
    bench.spec.qos.depth = 16;
    written("depth");
    expect("depth", "16", "8", place);
  }
  SECTION("max_size") {
    bench.spec.max_size = 128;
    written("max_size");
    expect("max_size", "128", "64", place);
  }
  SECTION("reliability") {
    bench.spec.qos.reliability = Reliability::best_effort;
    written("reliability");
    expect("reliability", "best_effort", "reliable", place);
  }
  SECTION("durability") {
    bench.spec.qos.durability = Durability::transient_local;
    written("durability");
    expect("durability", "transient_local", "volatile", place);
  }
  SECTION("a setting nobody wrote down takes the topic's value") {
    bench.spec.qos.depth = 16;
    bench.spec.max_size = 128;
    bench.spec.qos.reliability = Reliability::best_effort;
    bench.spec.type = {};
    const auto reader = bench.reader();
    REQUIRE(send(*first, "x") == PublishResult::ok);
    const auto message = reader->take();
    REQUIRE(message);
    CHECK(bench.transport->traits(bench.spec).zero_copy == false);
    CHECK(bench.file().reliable());
  }
  CHECK(bench.file_exists());
}

TEST_CASE("one who was refused does not keep the file when everybody else has gone") {
  TopicBench bench;
  auto first = bench.writer();
  bench.spec.origins["depth"] = {"demo.yaml", 3, 9};
  bench.spec.qos.depth += 1;
  CHECK_THROWS_AS(bench.reader(), ConfigError);
  first.reset();
  CHECK_FALSE(bench.file_exists());
}

TEST_CASE("whatever else lies where the topic's file belongs is named and left untouched") {
  const TopicBench bench;
  const std::string path = bench.path();
  const std::string cannot = "topic '/bench/topic': its file cannot be used: '" + path + "' ";
  SECTION("empty") {
    std::ofstream{path};
    CHECK_THROWS_WITH(bench.writer(),
                      cannot + "has 0 bytes, too short for a Sluice file (64 bytes of header); remove it");
    CHECK(contents(path).empty());
  }
  SECTION("short") {
    std::ofstream(path) << "short";
    CHECK_THROWS_WITH(bench.writer(),
                      cannot + "has 5 bytes, too short for a Sluice file (64 bytes of header); remove it");
    CHECK(contents(path) == "short");
  }
  SECTION("garbage") {
    const std::string garbage(20'000, '\xA5');
    std::ofstream(path, std::ios::binary) << garbage;
    CHECK_THROWS_WITH(bench.writer(), cannot + "is not a Sluice file (no magic at its start); remove it");
    CHECK(contents(path) == garbage);
  }
  SECTION("a directory, a link, a FIFO") {
    std::filesystem::create_directory(path);
    CHECK_THROWS_WITH(bench.writer(), cannot + "is not a regular file; remove it");
    std::filesystem::remove(path);
    std::filesystem::create_symlink("/etc/hostname", path);
    CHECK_THROWS_WITH(bench.writer(), cannot + "is a symbolic link; remove it");
    std::filesystem::remove(path);
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK_THROWS_WITH(bench.writer(), cannot + "is not a regular file; remove it");
  }
  SECTION("truncated and oversized leftovers") {
    leave_leftover(bench);
    const auto size = std::filesystem::file_size(path);
    for (const auto wrong : {size - 1, size / 2, std::uintmax_t{4096}, std::uintmax_t{64}, size * 3}) {
      std::filesystem::resize_file(path, wrong);
      CHECK_THROWS_WITH(bench.writer(), cannot + "has " + std::to_string(wrong) + " bytes, but its header says " +
                                            std::to_string(size) + " (truncated or overwritten); remove it");
    }
  }
  SECTION("another kind of Sluice file") {
    auto record = shm::UnnamedSegment::create({"record", path, 4096, 0, {}});
    record.write_header(shm::SegmentKind::process_record, 1);
    REQUIRE(record.link());
    CHECK_THROWS_WITH(bench.writer(), cannot + "is a process record, expected a topic; remove it");
  }
}

TEST_CASE("a header with any word at an extreme is refused or used, but never followed outside the file") {
  // In a child each: a crash or a hang must be seen as such. The holder keeps the file from being taken for a leftover.
  const TopicBench bench(Reliability::reliable, 8, 64);
  const auto holder = bench.writer();
  auto file = bench.file();
  auto* const header = const_cast<std::byte*>(reinterpret_cast<const std::byte*>(&file.header()));
  const std::uint64_t total = file.header().segment.size;
  int refused = 0;
  for (std::size_t offset = sizeof(shm::SegmentHeader); offset < sizeof(slick::TopicHeader); offset += 4) {
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{63}, std::uint64_t{64},
                                      std::uint64_t{0x7FFFFFFF}, std::uint64_t{0xFFFFFFFF}, total, total - 64}) {
      const auto word = static_cast<std::uint32_t>(value);
      std::uint32_t before = 0;
      std::memcpy(&before, header + offset, 4);
      std::memcpy(header + offset, &word, 4);
      ChildProcess child([&] {
        ::alarm(20);
        try {
          const auto reader = bench.reader();
          const auto writer = bench.writer();
          for (int i = 0; i < 20; ++i) {
            (void)send(*writer, "x");
            (void)receive(*reader);
          }
        } catch (const Error&) {
          return 7;
        }
        return 0;
      });
      const int code = child.wait();
      std::memcpy(header + offset, &before, 4);
      INFO("offset " << offset << " value " << value);
      REQUIRE((code == 0 || code == 7));
      refused += code == 7 ? 1 : 0;
    }
    if (offset >= offsetof(slick::TopicHeader, topic_name) + 16 && offset < offsetof(slick::TopicHeader, type_name)) {
      offset = offsetof(slick::TopicHeader, type_name) - 4;  // the rest of a name is like its beginning
    }
    if (offset >= offsetof(slick::TopicHeader, type_name) + 16) break;
  }
  CHECK(refused > 50);
}

TEST_CASE("a damaged header is named") {
  const TopicBench bench;
  const auto holder = bench.writer();
  auto file = bench.file();
  const_cast<slick::TopicHeader&>(file.header()).capacity = 12;
  CHECK_THROWS_WITH(bench.reader(), "topic '/bench/topic': its file cannot be used: '" + bench.path() +
                                        "' has a damaged header; remove it");
}

TEST_CASE("processes that open and close one topic all the time never fail and leave nothing") {
  // The races of creating, joining, leaving and being replaced: every open must succeed, and a file that anybody is in
  // keeps its name, which the holder of a reader and a writer at once can tell.
  const TopicBench bench;
  const auto churn = [&](unsigned seed) {
    for (int i = 0; i < 300; ++i) {
      const auto reader = bench.reader();
      const auto writer = bench.writer();
      if (writer->reader_count() < 1 || reader->writer_count() < 1) return 1;
      // A process that was preempted in the middle may be told "uncertain", and one that was preempted later be lapped.
      const PublishResult sent = send(*writer, "x");
      if (sent != PublishResult::ok && sent != PublishResult::uncertain) return 2;
      bool found = false;
      while (const auto message = reader->take()) {
        found = found || message->info.publisher == writer->id();
        reader->release(*message);
      }
      const ReaderStats stats = reader->stats();
      if (!found && sent == PublishResult::ok && stats.lost + stats.skipped + stats.queued == 0) return 3;
      if ((static_cast<unsigned>(i) * 7 + seed) % 50 == 49) return ::raise(SIGKILL);  // dies in the middle of it all
    }
    return 0;
  };
  for (int round = 0; round < 10; ++round) {
    std::vector<ChildProcess> children;
    for (unsigned k = 0; k < 4; ++k) {
      children.emplace_back([&, k] { return churn(k * 11 + static_cast<unsigned>(round)); });
    }
    for (auto& child : children) {
      const int code = child.wait();
      INFO("exit code " << code);
      CHECK((code == 0 || code == 128 + SIGKILL));
    }
  }
  ChildProcess last([&] { return bench.reader() ? 0 : 1; });
  CHECK(last.wait() == 0);
  CHECK(std::filesystem::is_empty(bench.directory.path()));
}

TEST_CASE("two last endpoints that leave at the same moment do not each think the other is still there") {
  const TopicBench bench;
  int left_behind = 0;
  for (int round = 0; round < 2'000; ++round) {
    auto reader = bench.reader();
    auto writer = bench.writer();
    std::atomic<int> ready{0};
    const auto meet = [&] {
      ++ready;
      while (ready.load() < 2) shm::spin_pause();
    };
    std::thread other([&] {
      meet();
      writer.reset();
    });
    meet();
    reader.reset();
    other.join();
    if (bench.file_exists()) ++left_behind;
  }
  CHECK(left_behind == 0);
}
