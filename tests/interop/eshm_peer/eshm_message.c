// The payload convention of README.md in C. Messages of 24 bytes and more are one element of slick_peer's convention.
#include <stdint.h>
#include <string.h>

#include "../slick_peer/peer_payload.h"

enum { kNamed = 8, kChecked = 24, kSequenceBits = 48 };

static void fill_pattern(uint8_t* at, uint32_t size, uint64_t state) {
  for (uint32_t offset = 0; offset < size; offset += 8) {
    const uint64_t word = peer_mix(state++);
    const uint32_t left = size - offset;
    memcpy(at + offset, &word, left < sizeof word ? left : sizeof word);
  }
}

void eshm_peer_fill(void* message, uint32_t size, uint64_t seed, uint64_t writer, uint64_t number) {
  if (size >= kChecked) {
    peer_fill_element(message, size, seed, writer, number, size);
    return;
  }
  if (size < kNamed) {
    fill_pattern(message, size, size);
    return;
  }
  const uint64_t name = writer << kSequenceBits | number;
  memcpy(message, &name, sizeof name);
  fill_pattern((uint8_t*)message + kNamed, size - kNamed, peer_mix(name) ^ size);
}

static int short_intact(const uint8_t* message, uint32_t size, uint64_t* writer, uint64_t* number) {
  uint8_t expected[kChecked];
  uint64_t name = 0;
  if (size >= kNamed) memcpy(&name, message, sizeof name);
  *writer = name >> kSequenceBits;
  *number = name & (((uint64_t)1 << kSequenceBits) - 1);
  if (size >= kNamed && *writer == 0) return 0;  // nobody has written it
  eshm_peer_fill(expected, size, 0, *writer, *number);
  return memcmp(message, expected, size) == 0;
}

// 1 when the message is one writer's and whole; below 8 bytes nobody's name fits, and the writer is 0.
int eshm_peer_intact(const void* message, uint32_t size, uint64_t* writer, uint64_t* number) {
  if (size < kChecked) return short_intact(message, size, writer, number);
  uint32_t length;
  uint32_t checksum;
  memcpy(writer, message, sizeof *writer);
  memcpy(number, (const uint8_t*)message + 8, sizeof *number);
  memcpy(&length, (const uint8_t*)message + 16, sizeof length);
  memcpy(&checksum, (const uint8_t*)message + 20, sizeof checksum);
  const uint32_t prefix = peer_crc32(0, message, 20);
  return *writer != 0 && length == size &&
         checksum == peer_crc32(prefix, (const uint8_t*)message + kChecked, size - kChecked);
}
