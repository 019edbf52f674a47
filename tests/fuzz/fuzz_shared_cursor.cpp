/// The input is the file of a shared cursor, as another program may have left it; then a queue is read with it.
#include <array>

#include <sluice/error.hpp>
#include <sluice/slick/shared_cursor.hpp>

#include "fuzz/named_file.hpp"
#include "fuzz/ring_rules.hpp"

namespace sluice::fuzz {
namespace {

constexpr std::uint32_t kCapacity = 8;
constexpr std::size_t kPage = 4096;  ///< Python's are as large.

void publish(UntypedQueue& queue, int messages) {
  for (int k = 0; k < messages; ++k) queue.publish(queue.reserve(), 1);
}

void read_with(const NamedFile& file, std::size_t file_size, int messages) try {
  slick::SharedCursor cursor(file.name());
  demand(!cursor.created(), "it was there already");
  demand(file_size == 8 || file_size == kPage, "a file of another size is none");
  std::array<std::byte, 8 * kCapacity> elements{};
  slick::QueueOptions options;
  options.hole_timeout = std::chrono::nanoseconds{1};
  UntypedQueue queue(kCapacity, 8, elements.data(), options);
  publish(queue, messages);
  drain(queue, cursor.get());
  demand(cursor.get() == queue.initial_reading_index(), "the group has read everything");
  publish(queue, 1);
  demand(poll(queue, cursor.get()).has_value(), "and goes on");
} catch (const Error&) {
}

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::fuzz;
  if (size == 0) return 0;  // its creator is waited for, for two seconds
  for (const int messages : {0, 3, 8, 11}) {
    NamedFile file;
    for (const std::size_t file_size : {size, kPage}) {
      if (file_size < size) continue;
      file.write(data, size, file_size);
      read_with(file, file_size, messages);
    }
  }
  return 0;
}
