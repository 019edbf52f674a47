#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>

#include "unit/eshm/eshm_support.hpp"
#include "unit/topic/error_text.hpp"

using namespace sluice;
using namespace sluice::eshm;
using namespace sluice::test;

namespace {

SegmentRequest request_for(const ChannelName& name, std::size_t max_size = kDefaultMaxSize) {
  SegmentRequest request;
  request.name = name.name();
  request.max_size = max_size;
  request.patience = std::chrono::nanoseconds{0};
  return request;
}

void announce_nothing(Segment&) {}

std::string bytes_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

void put(std::string& bytes, std::size_t offset, std::uint32_t value) { std::memcpy(&bytes[offset], &value, 4); }

/// A sound segment's bytes.
std::string sound_segment(std::size_t max_size = kDefaultMaxSize) {
  const ChannelName name;
  (void)create_segment(request_for(name, max_size), announce_nothing);
  return bytes_of_file(name.path());
}

/// The sentence with which these bytes are refused, without the path; the file must stay as it was.
std::string refusal(const std::string& bytes, std::size_t max_size = kDefaultMaxSize) {
  const ChannelName name;
  write_file(name.path(), bytes);
  const std::string text = error_text([&] { return attach_segment(request_for(name, max_size)); });
  CHECK(bytes_of_file(name.path()) == bytes);
  const std::string beginning = "channel '" + name.path() + "' ";
  return text.starts_with(beginning) ? text.substr(beginning.size()) : "(without the path) " + text;
}

}  // namespace

TEST_CASE("a channel's file is named as the original names it") {
  CHECK(segment_path("robot") == "/dev/shm/eshm_robot");
  CHECK(segment_path("/arm/left") == "/dev/shm/eshm__arm_left");
  CHECK(segment_path("a b.c-d") == "/dev/shm/eshm_a b.c-d");
  CHECK(segment_path("..") == "/dev/shm/eshm_..");
  CHECK(segment_path(std::string(300, 'x')) == "/dev/shm/eshm_" + std::string(249, 'x'));
  CHECK(error_text([] { return segment_path(""); }) == "a channel needs a name");
}

TEST_CASE("a segment has the format's size and header for every max_size") {
  const std::size_t max_size = GENERATE(0U, 1U, 7U, 8U, 63U, 64U, 65U, 100U, 4095U, 4096U, 4097U, 8192U, 1U << 20U);
  const Protocol protocol = GENERATE(Protocol::v2, Protocol::v3);
  const ChannelName name;
  SegmentRequest request = request_for(name, max_size);
  request.protocol = protocol;
  request.stale_threshold_ms = 123;
  const auto made = create_segment(request, announce_nothing);
  REQUIRE(made);
  CHECK((made->created && made->named() && made->path == name.path() && made->max_size == max_size));
  const std::size_t rounded = (8 + max_size + 7) / 8 * 8;
  const std::size_t mailbox = (rounded + 64 + 63) / 64 * 64;
  const std::string bytes = bytes_of_file(name.path());
  REQUIRE(bytes.size() == 128 + 2 * mailbox);
  std::string expected(bytes.size(), '\0');
  put(expected, 0, 0x4553484D);
  put(expected, 4, static_cast<std::uint32_t>(protocol));
  put(expected, 40, 123);
  if (protocol == Protocol::v3) {
    put(expected, 48, 1);
    put(expected, 52, static_cast<std::uint32_t>(bytes.size()));
  }
  CHECK(bytes == expected);
  CHECK(bytes.substr(0, 4) == "MHSE");

  const auto attached = attach_segment(request_for(name, max_size));
  REQUIRE(attached);
  CHECK((attached->protocol == protocol && attached->inode == made->inode && !attached->created));
  for (const Side side : {Side::master, Side::slave}) {
    const MailboxMemory memory = attached->mailbox(side);
    const std::byte* const start = attached->mapping.data() + 128 + (side == Side::master ? 0 : mailbox);
    CHECK(reinterpret_cast<const std::byte*>(memory.head) == start);
    CHECK(memory.data == start + 8);
    CHECK(reinterpret_cast<const std::byte*>(memory.tail) == start + rounded);
    CHECK(memory.wakes == (protocol == Protocol::v3));
  }
}

TEST_CASE("only the first creator makes the segment") {
  const ChannelName name;
  CHECK_FALSE(attach_segment(request_for(name)));
  const auto first = create_segment(request_for(name), announce_nothing);
  REQUIRE(first);
  CHECK_FALSE(create_segment(request_for(name), announce_nothing));
  CHECK(first->named());
  ::unlink(name.path().c_str());
  CHECK_FALSE(first->named());
  CHECK(create_segment(request_for(name), announce_nothing));
  CHECK_FALSE(first->named());  // it is another file
}

TEST_CASE("nobody sees a segment that is not announced") {
  const ChannelName name;
  bool announced = false;
  (void)create_segment(request_for(name), [&](Segment& segment) {
    announced = true;
    CHECK_FALSE(name.exists());
    CHECK(segment.header().magic.load_relaxed() == kMagic);
  });
  CHECK((announced && name.exists()));
}

TEST_CASE("a new segment has the rights that were asked for, whatever the umask") {
  const ChannelName name;
  SegmentRequest request = request_for(name);
  request.access.mode = 0666;
  const mode_t before = ::umask(077);
  (void)create_segment(request, announce_nothing);
  ::umask(before);
  struct stat info {};
  REQUIRE(::stat(name.path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0666);
}

TEST_CASE("every wrong segment has its own sentence and is left untouched") {
  std::string bytes = sound_segment();
  CHECK(refusal("") ==
        "has 0 bytes, too short for an ESHM segment (128 bytes of header); its creator died or it is "
        "none: remove it");
  CHECK(refusal(bytes.substr(0, 127)) ==
        "has 127 bytes, too short for an ESHM segment (128 bytes of header); its "
        "creator died or it is none: remove it");
  CHECK(refusal(std::string(8576, '\0')) == "has no magic; its creator died while initialising it: remove it");
  CHECK(refusal(bytes.substr(0, 8000)) ==
        "has 8000 bytes, but its header says 8576; it is truncated or overwritten: remove it");
  CHECK(refusal(bytes + "more") ==
        "has 8580 bytes, but its header says 8576; it is truncated or overwritten: remove it");
  CHECK(refusal(bytes, 8192) ==
        "has 8576 bytes, but a channel for messages of up to 8192 bytes has 16768; it was made "
        "for a max_size of 4089 to 4152: give both sides the same");
  put(bytes, 4, 4);
  CHECK(refusal(bytes) == "has protocol version 4, this program speaks 2 and 3; update it, or remove the segment");
  put(bytes, 4, 1);
  CHECK(refusal(bytes) == "has protocol version 1, this program speaks 2 and 3; update it, or remove the segment");
  put(bytes, 4, 2);
  CHECK(refusal(bytes.substr(0, 8001)) ==
        "has 8001 bytes, but a channel for messages of up to 4096 bytes has 8576; no "
        "channel is as long: remove it");
  put(bytes, 0, 0x01020304);
  CHECK(refusal(bytes) ==
        "is not an ESHM segment (magic 16909060, expected 1163085901); remove it or choose another "
        "name");
}

TEST_CASE("what is no file is refused at once") {
  const ChannelName name;
  const auto text = [&] { return error_text([&] { return attach_segment(request_for(name)); }); };
  REQUIRE(::symlink("/dev/shm/eshm_elsewhere", name.path().c_str()) == 0);
  CHECK(text() == "channel '" + name.path() + "' is a symbolic link; remove it");
  ::unlink(name.path().c_str());
  REQUIRE(::mkfifo(name.path().c_str(), 0600) == 0);
  CHECK(text() == "channel '" + name.path() + "' is not a regular file; remove it");
  ::unlink(name.path().c_str());
  REQUIRE(::mkdir(name.path().c_str(), 0700) == 0);
  CHECK(text() == "cannot open channel '" + name.path() + "': Is a directory");
  ::rmdir(name.path().c_str());
}

TEST_CASE("a segment of another user is refused with what to do") {
  if (::geteuid() != 0) return;  // only root can become somebody else
  const ChannelName name;
  (void)create_segment(request_for(name), announce_nothing);
  constexpr uid_t kNobody = 65534;
  const std::string expected =
      "channel '" + name.path() +
      "' belongs to root with mode 0600, and nobody may not read and write it; let its creator "
      "share it (mode 0666, or 0660 and a group): Permission denied";
  ChildProcess stranger([&] {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
    const std::string text = error_text([&] { return attach_segment(request_for(name)); });
    if (text != expected) std::fprintf(stderr, "%s\n", text.c_str());
    return text == expected ? 0 : 2;
  });
  CHECK(stranger.wait() == 0);
}

TEST_CASE("an attaching program waits for a creator that is slower") {
  const ChannelName name;
  const std::string bytes = sound_segment();
  write_file(name.path(), "");
  ChildProcess creator([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    write_file(name.path(), std::string(bytes.size(), '\0'));
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    std::fstream(name.path(), std::ios::in | std::ios::out | std::ios::binary) << bytes;
    return 0;
  });
  SegmentRequest request = request_for(name);
  request.patience = std::chrono::seconds{30};
  CHECK(attach_segment(request));
  CHECK(creator.wait() == 0);
}

TEST_CASE("a size says for which messages a segment was made") {
  CHECK(max_sizes_of(8576).text() == "4089 to 4152");
  CHECK(max_sizes_of(segment_bytes(0)).least == 0);
  for (const std::uint64_t wrong : {0U, 127U, 128U, 129U, 383U, 8575U, 8577U, 8600U})
    CHECK(max_sizes_of(wrong).most == 0);
  for (std::uint64_t size = 0; size < 3000; ++size) {
    const MaxSizes sizes = max_sizes_of(segment_bytes(size));
    REQUIRE((sizes.least <= size && size <= sizes.most));
    REQUIRE((segment_bytes(sizes.least) == segment_bytes(size) && segment_bytes(sizes.most) == segment_bytes(size)));
    REQUIRE(segment_bytes(sizes.most + 1) != segment_bytes(size));
  }
}

TEST_CASE("a segment that nobody could need is not made") {
  const ChannelName name;
  CHECK(error_text([&] { return create_segment(request_for(name, kLargestMaxSize + 1), announce_nothing); }) ==
        "channel '" + name.path() + "': max_size 1073741825 is more than 1073741824 bytes");
  CHECK_FALSE(name.exists());
}
