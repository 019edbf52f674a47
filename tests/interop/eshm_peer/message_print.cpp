#include "message.hpp"

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace {

using Message = std::vector<std::byte>;

// Whether every message that differs from this one in a single byte, or in its length, is refused or another's. Eight
// bytes are the name alone.
bool notices_damage(const Message& message, eshm_peer::Origin origin) {
  for (std::size_t i = 0; i < message.size(); ++i) {
    Message changed = message;
    changed[i] ^= std::byte{1};
    if (eshm_peer::read(changed) == origin) return false;
  }
  Message shorter = message;
  if (!shorter.empty()) shorter.pop_back();
  return message.size() <= eshm_peer::kNamed + 1 || eshm_peer::read(shorter) != origin;
}

}  // namespace

// message_print SEED WRITER NUMBER SMALLEST LARGEST: a message in hexadecimal, so that the C++ form of the payload
// convention can be compared with the others. Exit code 1 when it does not know its own message, or not its damage.
int main(int argc, char** argv) try {
  if (argc != 6) return 2;
  std::vector<std::uint64_t> values;
  for (int i = 1; i < argc; ++i) values.push_back(std::stoull(argv[i]));
  const eshm_peer::Origin origin{values[1], values[2]};
  Message message(eshm_peer::message_size(values[0], origin, static_cast<std::uint32_t>(values[3]),
                                          static_cast<std::uint32_t>(values[4])));
  eshm_peer::fill(message, values[0], origin);
  for (const std::byte byte : message) std::printf("%02x", std::to_integer<unsigned>(byte));
  std::printf("\n");
  const eshm_peer::Origin expected = message.size() < eshm_peer::kNamed ? eshm_peer::Origin{} : origin;
  if (eshm_peer::read(message) != expected) return 1;
  return notices_damage(message, expected) ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "message_print: %s\n", error.what());
  return 2;
}
