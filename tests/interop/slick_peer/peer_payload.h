// The payload convention of README.md in C.
#ifndef SLUICE_TESTS_INTEROP_SLICK_PEER_PEER_PAYLOAD_H_
#define SLUICE_TESTS_INTEROP_SLICK_PEER_PEER_PAYLOAD_H_

#include <stddef.h>
#include <stdint.h>

uint32_t peer_crc32(uint32_t crc, const void* bytes, size_t size);
uint64_t peer_mix(uint64_t state);
uint32_t peer_message_size(uint64_t seed, uint64_t producer, uint64_t sequence, uint32_t smallest, uint32_t largest);
void peer_fill_element(void* element, uint32_t element_size, uint64_t seed, uint64_t producer, uint64_t sequence,
                       uint32_t number);

// 1 when the elements are those of one message, unmixed; *producer and *sequence are then filled in.
int peer_message_intact(const void* elements, uint32_t size, uint32_t element_size, uint64_t* producer,
                        uint64_t* sequence);

#endif
