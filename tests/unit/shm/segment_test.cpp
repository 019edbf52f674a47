#include <sluice/shm/segment.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "support/temporary_directory.hpp"

using namespace sluice::shm;
using Catch::Matchers::Contains;
using sluice::test::TemporaryDirectory;

namespace {

constexpr std::uint32_t kVersion = 3;

std::string make_segment(const TemporaryDirectory& directory, std::size_t size = 8192) {
  const std::string path = directory.path() + "/segment";
  auto segment = UnnamedSegment::create({"topic '/x'", path, size, 0, {}});
  segment.write_header(SegmentKind::topic, kVersion);
  REQUIRE(segment.link());
  return path;
}

AttachedSegment attach(const std::string& path) {
  return attach_segment(path, SegmentKind::topic, kVersion, 4096, MapMode::read_write);
}

}  // namespace

TEST_CASE("a segment has no name until it is linked, and then is complete") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/segment";
  {
    auto segment = UnnamedSegment::create({"topic '/x'", path, 8192, 0, {}});
    CHECK(std::filesystem::is_empty(directory.path()));
    segment.write_header(SegmentKind::topic, kVersion);
    REQUIRE(segment.link());
    CHECK_FALSE(segment.link());  // somebody (we) was first
  }
  const auto attached = attach(path);
  REQUIRE(attached.ok());
  CHECK(attached.mapping.size() == 8192);
}

TEST_CASE("mode is what was asked for, whatever the umask") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/segment";
  const mode_t before = ::umask(0077);
  auto segment = UnnamedSegment::create({"topic '/x'", path, 4096, 0, {0664, ""}});
  ::umask(before);
  REQUIRE(segment.link());
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0664U);
}

TEST_CASE("a segment larger than the memory is refused with needed and free bytes, and leaves nothing") {
  const TemporaryDirectory directory;
  constexpr std::size_t kTooMuch = std::size_t{1} << 45U;
  CHECK_THROWS_WITH(
      UnnamedSegment::create({"topic '/big'", directory.path() + "/big", kTooMuch, 0, {}}),
      Contains("topic '/big': not enough shared memory: 35184372088832 bytes needed") && Contains("bytes free in"));
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("an unknown group is named") {
  const TemporaryDirectory directory;
  CHECK_THROWS_WITH(UnnamedSegment::create({"topic '/x'", directory.path() + "/s", 4096, 0, {0660, "no-such-group"}}),
                    "topic '/x': there is no group 'no-such-group' on this machine; create it or change 'group'");
}

TEST_CASE("every kind of wrong file has its own outcome and sentence") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/segment";
  const auto outcome = [&] { return attach(path).outcome; };

  SECTION("absent") { CHECK(outcome() == AttachOutcome::absent); }
  SECTION("empty") {
    std::ofstream{path};
    const auto result = attach(path);
    CHECK(result.outcome == AttachOutcome::too_short);
    CHECK(result.reason == "'" + path + "' has 0 bytes, too short for a Sluice file (64 bytes of header); remove it");
  }
  SECTION("garbage") {
    std::ofstream(path) << std::string(100'000, 'x');
    CHECK(outcome() == AttachOutcome::not_sluice);
  }
  SECTION("truncated") {
    make_segment(directory);
    std::filesystem::resize_file(path, 5000);
    const auto result = attach(path);
    CHECK(result.outcome == AttachOutcome::wrong_size);
    CHECK_THAT(result.reason, Contains("has 5000 bytes, but its header says 8192"));
  }
  SECTION("oversized") {
    make_segment(directory);
    std::filesystem::resize_file(path, 1'000'000);
    CHECK(outcome() == AttachOutcome::wrong_size);
  }
  SECTION("another kind") {
    auto segment = UnnamedSegment::create({"record", path, 4096, 0, {}});
    segment.write_header(SegmentKind::process_record, kVersion);
    REQUIRE(segment.link());
    const auto result = attach(path);
    CHECK(result.outcome == AttachOutcome::wrong_kind);
    CHECK(result.reason == "'" + path + "' is a process record, expected a topic; remove it");
  }
  SECTION("another version") {
    make_segment(directory);
    CHECK(attach_segment(path, SegmentKind::topic, 4, 4096, MapMode::read_write).outcome ==
          AttachOutcome::wrong_version);
  }
  SECTION("a directory, a FIFO, a symbolic link") {
    std::filesystem::create_directory(path);
    CHECK(outcome() == AttachOutcome::not_a_file);
    std::filesystem::remove(path);
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(outcome() == AttachOutcome::not_a_file);
    std::filesystem::remove(path);
    std::filesystem::create_symlink("/etc/passwd", path);
    CHECK(outcome() == AttachOutcome::not_a_file);
  }
}

TEST_CASE("a directory that is a symbolic link or writable by others is refused") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/domain";
  SECTION("link") {
    std::filesystem::create_directory_symlink("/tmp", path);
    CHECK_THROWS_WITH(ensure_directory(path, {}), Contains("symbolic link"));
  }
  SECTION("writable by others") {
    std::filesystem::create_directory(path);
    std::filesystem::permissions(path, std::filesystem::perms::all);
    CHECK_THROWS_WITH(ensure_directory(path, {}), Contains("may be written by others (mode 777)"));
  }
  SECTION("made with its parents, 0700") {
    ensure_directory(path + "/deep", {});
    struct stat info {};
    REQUIRE(::stat((path + "/deep").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0700U);
    CHECK_NOTHROW(ensure_directory(path + "/deep", {}));
  }
}
