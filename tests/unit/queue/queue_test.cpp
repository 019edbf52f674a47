#include <sluice/slick/queue.hpp>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <array>
#include <filesystem>
#include <optional>
#include <string>

#include <sluice/shm/access.hpp>

#include "support/segment_name.hpp"

using namespace sluice;
using namespace sluice::slick;
using namespace sluice::test;

namespace {

template <typename T>
std::uint64_t push(Queue<T>& queue, const T& value) {
  const std::uint64_t index = queue.reserve();
  *queue[index] = value;
  REQUIRE(queue.publish(index));
  return index;
}

/// A message of n elements that hold their own indices.
std::uint64_t push_run(Queue<std::uint64_t>& queue, std::uint32_t n) {
  const std::uint64_t index = queue.reserve(n);
  for (std::uint64_t i = index; i < index + n; ++i) *queue[i] = i;
  REQUIRE(queue.publish(index, n));
  return index;
}

}  // namespace

TEST_CASE("a queue in process, in order, also of a type that is not trivially copyable") {
  Queue<std::string> queue(4);
  CHECK(queue.own_buffer());
  CHECK_FALSE(queue.use_shm());
  CHECK(queue.size() == 4);
  std::uint64_t cursor = queue.initial_reading_index();
  CHECK(cursor == 0);
  CHECK(queue.read(cursor) == std::pair<std::string*, std::uint32_t>{nullptr, 0});
  push(queue, std::string("first, too long for a small string to hold it"));
  push(queue, std::string("second"));
  const auto [first, n] = queue.read(cursor);
  REQUIRE(n == 1);
  CHECK(*first == "first, too long for a small string to hold it");
  CHECK(cursor == 1);
  CHECK(queue.still_valid(cursor - n));
  CHECK(*queue.read(cursor).first == "second");
  CHECK(queue.read(cursor).first == nullptr);
}

TEST_CASE("a size that is no power of two is an invalid argument, with and without a name") {
  const SegmentName name;
  for (const std::uint32_t size : {0U, 3U, 12U}) {
    CHECK_THROWS_AS(Queue<int>(size), std::invalid_argument);
    CHECK_THROWS_WITH(Queue<int>(size, name.name().c_str()),
                      "a queue's size must be a power of two, not " + std::to_string(size));
  }
  CHECK_FALSE(std::filesystem::exists(name.path()));
  CHECK_THROWS_AS(Queue<std::string>(4, name.name().c_str()), std::invalid_argument);
  CHECK_THROWS_AS(Queue<int>(static_cast<const char*>(nullptr)), std::invalid_argument);
}

TEST_CASE("reserving nothing or too much is refused, as slick_queue does") {
  Queue<int> queue(8);
  CHECK_THROWS_AS(queue.reserve(0), std::invalid_argument);
  CHECK_THROWS_WITH(queue.reserve(9), "cannot reserve 9 elements in one piece: the queue has 8");
  CHECK(queue.initial_reading_index() == 0);
  CHECK(queue.reserve(8) == 0);
}

TEST_CASE("messages of several elements lie in one piece, and readers pass the tail that a wrap skips") {
  Queue<std::uint64_t> queue(8);
  std::uint64_t cursor = 0;
  std::vector<std::uint64_t> out;
  for (const std::uint64_t expected : {0U, 3U, 8U, 11U}) {
    CHECK(push_run(queue, 3) == expected);
    CHECK(queue.read_copy(cursor, out) == 3);
    CHECK(out == std::vector{expected, expected + 1, expected + 2});
    CHECK(queue.read_last().first == queue[expected]);
    CHECK(queue.read_last().second == 3);
  }
  CHECK(queue.read_copy(cursor, out) == 0);
  CHECK(queue.loss_count() == 0);
  CHECK(queue.skipped_count() == 2);
}

TEST_CASE("one reservation may be published in pieces") {
  Queue<std::uint64_t> queue(8);
  const std::uint64_t index = queue.reserve(4);
  for (std::uint64_t i = 0; i < 4; ++i) *queue[i] = i;
  CHECK(queue.publish(index, 1));
  CHECK(queue.publish(index + 1, 3));
  std::uint64_t cursor = 0;
  std::vector<std::uint64_t> out;
  CHECK(queue.read_copy(cursor, out) == 1);
  CHECK(queue.read_copy(cursor, out) == 3);
  CHECK(out == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("a lapped reader goes on at the oldest message left and knows exactly what it lost") {
  Queue<std::uint64_t> queue(8);
  std::uint64_t cursor = 0;
  for (std::uint64_t i = 0; i < 21; ++i) push(queue, i);
  for (std::uint64_t expected = 13; expected < 21; ++expected) CHECK(queue.read_copy(cursor) == expected);
  CHECK_FALSE(queue.read_copy(cursor));
  CHECK(queue.loss_count() == 13);
}

TEST_CASE("a message that is overwritten while it is copied is not delivered, and counted") {
  std::array<std::uint64_t, 4> memory{};
  UntypedQueue over(4, 8, reinterpret_cast<std::byte*>(memory.data()));
  const auto push_one = [&] { REQUIRE(over.publish(over.reserve())); };
  push_one();
  std::uint64_t cursor = 0;
  int copies = 0;
  const auto message = over.read(cursor, [&](const Ring::Message&) {
    if (copies++ == 0) {
      for (int i = 0; i < 4; ++i) push_one();  // index 4 takes the place of index 0
    }
  });
  REQUIRE(message);
  CHECK(message->index == 1);
  CHECK(copies == 2);
  CHECK(over.loss_count() == 1);
  CHECK(cursor == 2);
}

TEST_CASE("a pointer read is known to be stale once the message was overwritten") {
  Queue<std::uint64_t> queue(4);
  push(queue, std::uint64_t{7});
  std::uint64_t cursor = 0;
  const auto [value, n] = queue.read(cursor);
  REQUIRE(value != nullptr);
  for (std::uint64_t i = 0; i < 3; ++i) push(queue, i);
  CHECK(queue.still_valid(cursor - n));
  (void)queue.reserve();
  CHECK_FALSE(queue.still_valid(cursor - n));
}

TEST_CASE("a producer that was lapped while it wrote publishes nothing") {
  Queue<std::uint64_t> queue(4);
  const std::uint64_t slow = queue.reserve();
  for (std::uint64_t i = 0; i < 4; ++i) push(queue, i);
  CHECK_FALSE(queue.publish(slow));
  std::uint64_t cursor = 1;
  for (std::uint64_t i = 0; i < 4; ++i) CHECK(queue.read_copy(cursor) == i);
}

TEST_CASE("a hole is waited for, then stepped over and counted; with 0 it is waited for without end") {
  QueueOptions options;
  options.hole_timeout = GENERATE(std::chrono::milliseconds{5}, std::chrono::milliseconds{0});
  Queue<std::uint64_t> queue(8, nullptr, options);
  (void)queue.reserve();
  push(queue, std::uint64_t{42});
  std::uint64_t cursor = 0;
  CHECK_FALSE(queue.read_copy(cursor));
  if (options.hole_timeout.count() == 0) {
    ::usleep(20'000);
    CHECK_FALSE(queue.read_copy(cursor));
    return;
  }
  std::optional<std::uint64_t> found;
  for (int i = 0; i < 30'000 && !found; ++i) {
    ::usleep(1000);
    found = queue.read_copy(cursor);
  }
  CHECK(found == 42);
  CHECK(queue.skipped_count() == 1);
  CHECK(queue.loss_count() == 0);
}

TEST_CASE("read_last is the newest message, whoever published it and whatever was reserved since") {
  Queue<std::uint64_t> queue(8);
  CHECK(queue.read_last() == std::pair<std::uint64_t*, std::uint32_t>{nullptr, 0});
  push(queue, std::uint64_t{1});
  push_run(queue, 3);
  (void)queue.reserve(2);
  CHECK(queue.read_last() == std::pair{queue[1], 3U});
  for (std::uint64_t i = 0; i < 100; ++i) push(queue, i);
  CHECK(*queue.read_last().first == 99);
}

TEST_CASE("after a reset readers begin again at the beginning") {
  Queue<std::uint64_t> queue(8);
  std::uint64_t cursor = 0;
  for (std::uint64_t i = 0; i < 5; ++i) push(queue, i);
  while (queue.read_copy(cursor)) {
  }
  queue.reset();
  CHECK(queue.initial_reading_index() == 0);
  CHECK(queue.read_last().first == nullptr);
  push(queue, std::uint64_t{77});
  CHECK(queue.read_copy(cursor) == 77);
  CHECK(cursor == 1);
}

TEST_CASE("a reader in a stream, which rarely looks closely, does so after a few polls that found nothing") {
  const SegmentName name;
  Queue<std::uint64_t> writer(8, name.name().c_str());
  Queue<std::uint64_t> reader(name.name().c_str());
  std::uint64_t cursor = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    push(writer, i);
    REQUIRE(reader.read_copy(cursor) == i);
    REQUIRE_FALSE(reader.read_copy(cursor));
  }
  writer.reset();  // by another object, so that only a close look finds it
  push(writer, std::uint64_t{77});
  std::optional<std::uint64_t> found;
  for (int polls = 0; polls < 64 && !found; ++polls) found = reader.read_copy(cursor);
  CHECK(found == 77);
}

TEST_CASE("two names are one segment, the creator removes it, who attached does not") {
  const SegmentName name;
  const std::string bare = name.name().substr(1);
  {
    Queue<std::uint64_t> creator(8, bare.c_str());
    CHECK(creator.own_buffer());
    CHECK(creator.use_shm());
    {
      Queue<std::uint64_t> opener(name.name().c_str());
      CHECK_FALSE(opener.own_buffer());
      CHECK(opener.size() == 8);
      Queue<std::uint64_t> again(8, name.name().c_str());
      CHECK_FALSE(again.own_buffer());
      push(opener, std::uint64_t{5});
    }
    CHECK(std::filesystem::exists(name.path()));
    std::uint64_t cursor = 0;
    CHECK(creator.read_copy(cursor) == 5);
  }
  CHECK_FALSE(std::filesystem::exists(name.path()));
}

TEST_CASE("the creator leaves a segment alone that took its name since") {
  const SegmentName name;
  auto first = std::make_unique<Queue<int>>(8, name.name().c_str());
  std::filesystem::remove(name.path());
  Queue<int> second(8, name.name().c_str());
  CHECK(second.own_buffer());
  first.reset();
  CHECK(std::filesystem::exists(name.path()));
}

TEST_CASE("a queue over a segment that somebody else opened leaves the name, whoever created it") {
  const SegmentName name;
  SegmentRequest request;
  request.name = name.name();
  request.element_size = 8;
  request.capacity = 8;
  request.access = shm::umask_access(0600);
  {
    Segment segment = open_segment(request);
    REQUIRE(segment.created);
    UntypedQueue queue(std::move(segment));
    CHECK_FALSE(queue.own_buffer());
    CHECK(queue.use_shm());
    CHECK(queue.publish(queue.reserve()));
  }
  REQUIRE(std::filesystem::exists(name.path()));
  CHECK(UntypedQueue(name.name(), 8).initial_reading_index() == 1);
}

TEST_CASE("differences are named with both values") {
  const SegmentName name;
  const Queue<std::uint64_t> queue(8, name.name().c_str());
  const std::string what = "segment '" + name.path() + "' has ";
  CHECK_THROWS_WITH(
      (Queue<std::uint32_t>(8, name.name().c_str())),
      what + "elements of 8 bytes, but elements of 4 were asked for; give all programs the same element size");
  CHECK_THROWS_WITH(
      (Queue<std::uint32_t>(name.name().c_str())),
      what + "elements of 8 bytes, but elements of 4 were asked for; give all programs the same element size");
  CHECK_THROWS_WITH((Queue<std::uint64_t>(16, name.name().c_str())),
                    what + "a capacity of 8 elements, but 16 were asked for; give all programs the same capacity");
}

TEST_CASE("opening what is not there names it and what is nearest") {
  const SegmentName name;
  const std::string none = ": No such file or directory";
  CHECK_THROWS_WITH((Queue<int>(name.name().c_str())), Catch::StartsWith("cannot open segment '" + name.path() + "'"));
  const Queue<int> queue(8, name.name().c_str());
  CHECK_THROWS_WITH((Queue<int>((name.name() + "x").c_str())),
                    "cannot open segment '" + name.path() + "x' (did you mean '" + name.name() + "'?)" + none);
}

TEST_CASE("a new segment has the rights that slick_queue gives, or those that were asked for") {
  const SegmentName name;
  const auto mode = [&] {
    struct stat info {};
    REQUIRE(::stat(name.path().c_str(), &info) == 0);
    return info.st_mode & 07777U;
  };
  const mode_t before = ::umask(027);
  {
    const Queue<int> queue(8, name.name().c_str());
    CHECK(mode() == 0640);
  }
  QueueOptions options;
  options.access = shm::Access{0660, {}};
  {
    const Queue<int> queue(8, name.name().c_str(), options);
    CHECK(mode() == 0660);
  }
  ::umask(before);
}
