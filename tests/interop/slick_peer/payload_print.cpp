#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "payload.hpp"

namespace {

using Message = std::vector<std::byte>;

// Whether read_message refuses zeros, and refuses or gives another origin for one with its last byte
// changed, with its last element from the next message, and with its last element a copy of its first.
bool notices_damage(const Message& message, std::size_t element_size, std::uint64_t seed, slick_peer::Origin origin) {
  const auto noticed = [&](const Message& damaged) {
    return slick_peer::read_message(damaged, element_size) != origin;
  };
  if (slick_peer::read_message(Message(message.size()), element_size)) return false;  // nobody has written it

  const std::size_t last = message.size() - element_size;

  Message changed = message;
  changed.back() ^= std::byte{1};
  if (!noticed(changed)) return false;
  if (last == 0) return true;

  Message mixed = message;
  const slick_peer::Origin next{origin.producer, origin.sequence + 1};
  slick_peer::fill_element(std::span{mixed}.subspan(last), seed, next, static_cast<std::uint32_t>(last / element_size));
  if (!noticed(mixed)) return false;
  if (element_size == slick_peer::kSmallElement) return true;  // all elements of a message are the same

  Message doubled = message;
  std::copy_n(message.begin(), element_size, doubled.end() - static_cast<std::ptrdiff_t>(element_size));
  return noticed(doubled);
}

}  // namespace

// payload_print ELEMENT_SIZE SEED PRODUCER SEQUENCE SMALLEST LARGEST: a message in hexadecimal, one element a line, so
// that the C++ form of the payload convention can be compared with the Python form. Exit code 1 when the C++ form does
// not know its own message or not its damage.
int main(int argc, char** argv) try {
  if (argc != 7) return 2;
  std::vector<std::uint64_t> values;
  for (int i = 1; i < argc; ++i) values.push_back(std::stoull(argv[i]));
  const std::size_t element_size = values[0];
  const slick_peer::Origin origin{values[2], values[3]};
  const std::uint32_t size = slick_peer::message_size(values[1], origin, static_cast<std::uint32_t>(values[4]),
                                                      static_cast<std::uint32_t>(values[5]));
  Message message(size * element_size);
  slick_peer::fill_message(message, element_size, values[1], origin);
  for (std::size_t i = 0; i < message.size(); ++i) {
    std::printf("%02x%s", std::to_integer<unsigned>(message[i]), (i + 1) % element_size == 0 ? "\n" : "");
  }
  if (slick_peer::read_message(message, element_size) != origin) return 1;
  return notices_damage(message, element_size, values[1], origin) ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "payload_print: %s\n", error.what());
  return 2;
}
