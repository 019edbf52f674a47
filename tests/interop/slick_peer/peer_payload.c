#include "peer_payload.h"

#include <string.h>

enum { kPrefix = 24, kChecksumOffset = 20, kSmallElement = 8, kSequenceBits = 48 };

uint32_t peer_crc32(uint32_t crc, const void* bytes, size_t size) {
  static uint32_t table[256];
  if (table[1] == 0) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      uint32_t value = byte;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0xEDB88320u : 0);
      table[byte] = value;
    }
  }
  const uint8_t* at = bytes;
  crc = ~crc;
  while (size-- > 0) crc = (crc >> 8) ^ table[(crc ^ *at++) & 0xFF];
  return ~crc;
}

uint64_t peer_mix(uint64_t state) {
  state += 0x9E3779B97F4A7C15u;
  state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
  state = (state ^ (state >> 27)) * 0x94D049BB133111EBu;
  return state ^ (state >> 31);
}

static uint64_t stream(uint64_t seed, uint64_t producer, uint64_t sequence, uint32_t number) {
  return peer_mix(peer_mix(peer_mix(peer_mix(seed) ^ producer) ^ sequence) ^ number);
}

uint32_t peer_message_size(uint64_t seed, uint64_t producer, uint64_t sequence, uint32_t smallest, uint32_t largest) {
  return smallest + (uint32_t)(stream(seed, producer, sequence, UINT32_MAX) % (largest - smallest + 1));
}

static uint32_t element_checksum(const uint8_t* element, uint32_t element_size) {
  uint32_t crc = peer_crc32(0, element, kChecksumOffset);
  return peer_crc32(crc, element + kPrefix, element_size - kPrefix);
}

void peer_fill_element(void* element, uint32_t element_size, uint64_t seed, uint64_t producer, uint64_t sequence,
                       uint32_t number) {
  if (element_size == kSmallElement) {
    uint64_t value = producer << kSequenceBits | sequence;
    memcpy(element, &value, sizeof value);
    return;
  }
  uint8_t* at = element;
  memcpy(at, &producer, sizeof producer);
  memcpy(at + 8, &sequence, sizeof sequence);
  memcpy(at + 16, &number, sizeof number);
  uint64_t state = stream(seed, producer, sequence, number);
  for (uint32_t offset = kPrefix; offset < element_size; offset += 8) {
    uint64_t word = peer_mix(state++);
    uint32_t left = element_size - offset;
    memcpy(at + offset, &word, left < sizeof word ? left : sizeof word);
  }
  uint32_t checksum = element_checksum(at, element_size);
  memcpy(at + kChecksumOffset, &checksum, sizeof checksum);
}

static int small_elements_agree(const uint8_t* elements, uint32_t size, uint64_t* producer, uint64_t* sequence) {
  for (uint32_t number = 1; number < size; ++number) {
    if (memcmp(elements, elements + number * (size_t)kSmallElement, kSmallElement) != 0) return 0;
  }
  uint64_t value;
  memcpy(&value, elements, sizeof value);
  *producer = value >> kSequenceBits;
  *sequence = value & (((uint64_t)1 << kSequenceBits) - 1);
  return *producer != 0;  // an element that nobody has written yet is zero
}

int peer_message_intact(const void* elements, uint32_t size, uint32_t element_size, uint64_t* producer,
                        uint64_t* sequence) {
  if (size == 0) return 0;
  if (element_size == kSmallElement) return small_elements_agree(elements, size, producer, sequence);
  for (uint32_t expected = 0; expected < size; ++expected) {
    const uint8_t* at = (const uint8_t*)elements + expected * (size_t)element_size;
    uint32_t number;
    uint32_t checksum;
    memcpy(&number, at + 16, sizeof number);
    memcpy(&checksum, at + kChecksumOffset, sizeof checksum);
    if (number != expected || checksum != element_checksum(at, element_size)) return 0;
    if (memcmp(at, elements, 16) != 0) return 0;  // producer and sequence of the first element
  }
  memcpy(producer, elements, sizeof *producer);
  memcpy(sequence, (const uint8_t*)elements + 8, sizeof *sequence);
  return 1;
}
