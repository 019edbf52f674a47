#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <thread>

#include <sluice/error.hpp>

#include "interop/golden_support.hpp"
#include "support/child_process.hpp"

using namespace sluice;
using namespace sluice::slick;
using namespace sluice::test;

namespace {

/// The sentence with which attaching to these bytes is refused; also checks that the file stays what it was.
std::string refusal(const std::string& bytes, const SegmentName& name, const SegmentRequest& request) {
  write_file(name.path(), bytes);
  std::string text = "(no error)";
  try {
    (void)attach_segment(request);
  } catch (const Error& error) {
    text = error.what();
  }
  CHECK(read_file(name.path()) == bytes);
  return text;
}

}  // namespace

TEST_CASE("a segment's name is one file name, with or without a slash") {
  CHECK(segment_path("/ticks") == "/dev/shm/ticks");
  CHECK(segment_path("ticks") == "/dev/shm/ticks");
  for (const std::string wrong : {"", "/", "a/b", "/a/", "..", "/..", "//a", "."}) {
    CHECK_THROWS_WITH(segment_path(wrong),
                      "segment name '" + wrong + "' must be one file name, with or without a leading '/'");
  }
  CHECK_THROWS_AS(segment_path(std::string(300, 'x')), Error);
}

TEST_CASE("attaching to nothing says so, opening creates") {
  const SegmentName name;
  CHECK_THROWS_WITH(attach_segment(golden_request(name)),
                    Catch::Matchers::StartsWith("cannot open segment '" + name.path() + "'"));
  CHECK(open_segment(golden_request(name)).created);
  CHECK_FALSE(open_segment(golden_request(name)).created);
  CHECK(std::filesystem::exists(name.path()));  // never unlinked by us
}

TEST_CASE("every wrong segment has its own sentence and is left untouched") {
  const SegmentName name;
  SegmentRequest request = golden_request(name);
  const std::string what = "segment '" + name.path() + "'";
  std::string bytes = golden("slick-1.4.0-three.bin");

  SECTION("empty and short: the creator may still be at it, but not for ever") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{63}}) {
      CHECK(refusal(bytes.substr(0, size), name, request) ==
            what + " has " + std::to_string(size) +
                " bytes, too short for a SlickQueue segment (64 bytes of header); its creator died or it is none: "
                "remove it");
    }
  }
  SECTION("for ever initialising") {
    put(bytes, kStateOffset, 2);
    CHECK(refusal(bytes, name, request) ==
          what + ": its creator died while initialising it; remove it and start again");
  }
  SECTION("an unknown state") {
    for (const std::uint32_t state : {4U, 255U, 0xFFFFFFFFU}) {
      put(bytes, kStateOffset, state);
      CHECK(refusal(bytes, name, request) == what + " is not a SlickQueue segment (state " + std::to_string(state) +
                                                 ", known are 0 to 3); remove it or choose another name");
    }
  }
  SECTION("another element size") {
    request.element_size = 16;
    CHECK(refusal(bytes, name, request) ==
          what +
              " has elements of 8 bytes, but elements of 16 were asked for; give all programs the same element size");
  }
  SECTION("another capacity, when ours was written down") {
    request.capacity = 16;
    CHECK(refusal(bytes, name, request) == "(no error)");
    request.capacity_required = true;
    CHECK(refusal(bytes, name, request) ==
          what + " has a capacity of 8 elements, but 16 were asked for; give all programs the same capacity");
  }
  SECTION("a capacity that is no power of two") {
    for (const std::uint32_t capacity : {0U, 3U, 7U}) {
      put(bytes, 8, capacity);
      CHECK(refusal(bytes, name, request) ==
            what + " says a capacity of " + std::to_string(capacity) + ", which is no power of two; remove it");
    }
  }
  SECTION("truncated") {
    for (const std::size_t size : {std::size_t{64}, std::size_t{192}, std::size_t{255}}) {
      CHECK(refusal(bytes.substr(0, size), name, request) ==
            what + " has " + std::to_string(size) + " bytes, but its header needs 256; it is truncated: remove it");
    }
  }
  SECTION("a capacity beyond the file, up to where sizes would overflow") {
    for (const std::uint32_t capacity : {16U, 1U << 20U, 1U << 31U}) {
      put(bytes, 8, capacity);
      CHECK_THAT(refusal(bytes, name, request), Catch::Matchers::Contains("it is truncated: remove it"));
    }
  }
  SECTION("zeroes: a 1.2.x segment that never was initialised is not initialised by us either") {
    CHECK(refusal(std::string(256, '\0'), name, request) ==
          what +
              " is not a complete SlickQueue segment (capacity 0, element size 0, 256 bytes); its creator died or "
              "it is none: remove it");
  }
  SECTION("state 0 or 1 with a slot that was never initialised") {
    for (const std::string file : {"slick-1.2.0-three.bin", "slick-1.3.0-three.bin"}) {
      bytes = golden(file);
      put(bytes, 64 + 16 * 7 + 8, 0);  // the size in the last slot
      CHECK(refusal(bytes, name, request) ==
            what +
                " is not a complete SlickQueue segment (capacity 8, element size 8, 256 bytes); its creator died or "
                "it is none: remove it");
    }
  }
  SECTION("longer than needed is fine") {
    write_file(name.path(), bytes + std::string(4096, '\0'));
    CHECK_NOTHROW(attach_segment(request));
  }
}

TEST_CASE("what is no file is refused") {
  const SegmentName name;
  std::filesystem::create_directory(name.path());
  CHECK_THROWS_AS(attach_segment(golden_request(name)), Error);
  std::filesystem::remove(name.path());
  std::filesystem::create_symlink("/etc/hostname", name.path());
  CHECK_THROWS_AS(attach_segment(golden_request(name)), Error);
  std::filesystem::remove(name.path());
  REQUIRE(::mkfifo(name.path().c_str(), 0600) == 0);
  CHECK_THROWS_WITH(attach_segment(golden_request(name)),
                    "segment '" + name.path() + "' is not a regular file; remove it");
  std::filesystem::remove(name.path());
}

TEST_CASE("attaching waits for a creator that takes its time, in every one of its steps") {
  const SegmentName name;
  SegmentRequest request = golden_request(name);
  request.patience = std::chrono::seconds{30};
  const std::string whole = golden("slick-1.4.0-empty.bin");
  const std::string old = golden("slick-1.2.0-empty.bin");
  const std::string target = GENERATE(as<std::string>{}, "1.4.0", "1.2.0");
  write_file(name.path(), "");
  std::atomic<bool> attached{false};
  std::thread attacher([&] {
    try {
      (void)attach_segment(request);
      attached = true;
    } catch (const Error& error) {
      UNSCOPED_INFO(error.what());
    }
  });
  // The file grows in place, as the creators' own mappings do it.
  const int fd = ::open(name.path().c_str(), O_RDWR | O_CLOEXEC);
  const auto write = [&](const std::string& bytes, std::size_t from, std::size_t to) {
    REQUIRE(::pwrite(fd, bytes.data() + from, to - from, static_cast<off_t>(from)) == static_cast<ssize_t>(to - from));
  };
  REQUIRE(::ftruncate(fd, 256) == 0);
  if (target == "1.4.0") {
    std::string initialising = whole;
    put(initialising, kStateOffset, 2);
    write(initialising, 0, 256);
    CHECK_FALSE(attached);
    write(whole, kStateOffset, kStateOffset + 4);
  } else {
    write(old, 0, 64);
    write(old, 64, 64 + 7 * 16);
    CHECK_FALSE(attached);
    write(old, 64 + 7 * 16, 192);
  }
  attacher.join();
  ::close(fd);
  CHECK(attached);
}

TEST_CASE("programs that open one segment at the same moment share one segment, created once") {
  for (int round = 0; round < 30; ++round) {
    const SegmentName name;
    std::vector<ChildProcess> children;
    for (int k = 0; k < 4; ++k) {
      children.emplace_back([&] {
        const bool created = open_segment(golden_request(name)).created;
        TestRing ring(attach_segment(golden_request(name)));
        publish_golden(ring, 1);
        return created ? 1 : 0;
      });
    }
    int creators = 0;
    for (auto& child : children) creators += child.wait();
    REQUIRE(creators == 1);
    REQUIRE(TestRing(attach_segment(golden_request(name))).reserved() == 4);
  }
}
