// Loops for campaigns of many millions of messages: the queue's algorithms a second time, in C, without Python's cost
// per message. Written from the format's description like the rest of the peer; section numbers refer to it.
#include <stdint.h>
#include <string.h>

#include "peer_payload.h"

#define NONE UINT64_MAX

enum { kHeaderSize = 64, kLastPublishedOffset = 16, kIndexShift = 16, kSizeMask = 0xFFFF, kSources = 64 };

typedef struct {
  uint64_t data_index;
  uint32_t size;
  uint32_t padding;
} Slot;

typedef struct {
  uint8_t* base;
  uint64_t capacity;
  uint32_t element_size;
  uint32_t adds_single;     // reserve(1) is a fetch_add (1.2.3 and later)
  uint32_t tracks_last;     // last_published is maintained (1.4.0 on a ready segment)
  uint32_t plain_marker;    // the Python implementation's wrap marker: bytes, index before size (H13)
  uint32_t relaxed_cursor;  // 1.4.0's orders on a shared cursor
  uint32_t padding;
} Queue;

typedef struct {
  uint64_t index;
  uint64_t producer;
  uint64_t sequence;
  uint32_t size;
  uint32_t torn;
  uint32_t checksum;  // CRC-32 of the whole message
  uint32_t padding;
} Record;

typedef struct {
  uint8_t* copy;  // room for a message of `largest` elements
  uint64_t producer;
  uint64_t seed;
  uint64_t next_sequence;
  uint64_t elements;
  uint32_t smallest;
  uint32_t largest;
} Production;

typedef struct {
  uint64_t producer;
  uint64_t next_sequence;
  uint64_t received;
} Source;

typedef struct {
  uint64_t cursor;
  uint8_t* copy;  // room for a message of `capacity` elements
  uint64_t seed;
  uint64_t messages;
  uint64_t elements;
  uint64_t lost;          // indices jumped over because they were overwritten
  uint64_t marker_skips;  // indices that a wrap marker said were never written
  uint64_t discarded;     // copies thrown away by the lap test
  uint64_t torn;
  uint64_t disorder;  // a producer's sequence went backwards or repeated
  uint64_t resets;
  uint64_t margin;
  uint32_t smallest;  // the sizes that producers choose from; 0: unknown, not checked
  uint32_t largest;
  uint32_t lap_checked;
  uint32_t source_count;
  Source sources[kSources];
} Consumption;

static uint64_t* reserved_word(const Queue* queue) { return (uint64_t*)queue->base; }
static Slot* slot_of(const Queue* queue, uint64_t index) {
  return (Slot*)(queue->base + kHeaderSize) + (index & (queue->capacity - 1));
}
static uint8_t* element_of(const Queue* queue, uint64_t index) {
  uint8_t* data = queue->base + kHeaderSize + queue->capacity * sizeof(Slot);
  return data + (index & (queue->capacity - 1)) * queue->element_size;
}
static uint64_t reserved_index(const Queue* queue) {
  return __atomic_load_n(reserved_word(queue), __ATOMIC_RELAXED) >> kIndexShift;
}

// ---- 2.1 and 2.2: producing

static uint64_t reserve_one(const Queue* queue) {
  uint64_t before = __atomic_fetch_add(reserved_word(queue), (uint64_t)1 << kIndexShift, __ATOMIC_RELEASE);
  uint64_t index = before >> kIndexShift;
  if ((before & kSizeMask) != 1) {
    uint64_t expected = (index + 1) << kIndexShift | (before & kSizeMask);
    uint64_t desired = (index + 1) << kIndexShift | 1;
    __atomic_compare_exchange_n(reserved_word(queue), &expected, desired, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
  }
  return index;
}

static void write_marker(const Queue* queue, uint64_t position, uint64_t index, uint32_t size) {
  Slot* slot = slot_of(queue, position);
  if (queue->plain_marker) {
    memcpy(&slot->data_index, &index, sizeof index);
    memcpy(&slot->size, &size, sizeof size);
    return;
  }
  __atomic_store_n(&slot->size, size, __ATOMIC_RELAXED);
  __atomic_store_n(&slot->data_index, index, __ATOMIC_RELEASE);
}

static uint64_t reserve(const Queue* queue, uint32_t size) {
  if (size == 1 && queue->adds_single) return reserve_one(queue);
  uint64_t current = __atomic_load_n(reserved_word(queue), __ATOMIC_RELAXED);
  for (;;) {
    uint64_t position = current >> kIndexShift;
    uint64_t offset = position & (queue->capacity - 1);
    int wrapped = offset + size > queue->capacity;
    uint64_t index = wrapped ? position + queue->capacity - offset : position;
    uint64_t desired = (index + size) << kIndexShift | (size & kSizeMask);
    if (__atomic_compare_exchange_n(reserved_word(queue), &current, desired, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
      if (wrapped) write_marker(queue, position, index, size);
      return index;
    }
  }
}

static void publish(const Queue* queue, uint64_t index, uint32_t size) {
  Slot* slot = slot_of(queue, index);
  __atomic_store_n(&slot->size, size, __ATOMIC_RELAXED);
  __atomic_store_n(&slot->data_index, index, __ATOMIC_RELEASE);
  if (!queue->tracks_last) return;
  uint64_t* last = (uint64_t*)(queue->base + kLastPublishedOffset);
  uint64_t current = __atomic_load_n(last, __ATOMIC_RELAXED);
  while ((current == NONE || current < index) &&
         !__atomic_compare_exchange_n(last, &current, index, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
  }
}

uint64_t peer_produce_many(const Queue* queue, Production* production, uint64_t count, Record* records) {
  for (uint64_t done = 0; done < count; ++done) {
    uint64_t sequence = production->next_sequence++;
    uint32_t size =
        peer_message_size(production->seed, production->producer, sequence, production->smallest, production->largest);
    for (uint32_t number = 0; number < size; ++number) {
      peer_fill_element(production->copy + (size_t)number * queue->element_size, queue->element_size, production->seed,
                        production->producer, sequence, number);
    }
    size_t bytes = (size_t)size * queue->element_size;
    uint64_t index = reserve(queue, size);
    memcpy(element_of(queue, index), production->copy, bytes);
    publish(queue, index, size);
    production->elements += size;
    if (records != NULL) {
      uint32_t checksum = peer_crc32(0, production->copy, bytes);
      records[done] = (Record){index, production->producer, sequence, size, 0, checksum, 0};
    }
  }
  return count;
}

// ---- consuming

static Source* source_of(Consumption* consumption, uint64_t producer) {
  for (uint32_t i = 0; i < consumption->source_count; ++i) {
    if (consumption->sources[i].producer == producer) return &consumption->sources[i];
  }
  if (consumption->source_count == kSources) return NULL;
  Source* source = &consumption->sources[consumption->source_count++];
  *source = (Source){producer, 0, 0};
  return source;
}

static void account(const Queue* queue, Consumption* consumption, uint64_t index, uint32_t size, int whole,
                    Record* record) {
  uint64_t producer = NONE;
  uint64_t sequence = NONE;
  int intact = whole && peer_message_intact(consumption->copy, size, queue->element_size, &producer, &sequence);
  if (intact && consumption->smallest != 0) {
    intact =
        size == peer_message_size(consumption->seed, producer, sequence, consumption->smallest, consumption->largest);
  }
  ++consumption->messages;
  consumption->elements += size;
  Source* source = intact ? source_of(consumption, producer) : NULL;
  if (source == NULL) {
    ++consumption->torn;
  } else {
    if (sequence < source->next_sequence) ++consumption->disorder;
    source->next_sequence = sequence + 1;
    ++source->received;
  }
  if (record == NULL) return;
  uint32_t checksum = whole ? peer_crc32(0, consumption->copy, (size_t)size * queue->element_size) : 0;
  *record = (Record){index, producer, sequence, size, source == NULL, checksum, 0};
}

// Copies what the original would have handed out a pointer to; 0 when that reaches beyond the array.
static int copy_message(const Queue* queue, Consumption* consumption, uint64_t position, uint32_t size) {
  uint64_t offset = position & (queue->capacity - 1);
  if (size > queue->capacity - offset) return 0;
  memcpy(consumption->copy, element_of(queue, position), (size_t)size * queue->element_size);
  return 1;
}

// 2.3; 1 when a message was delivered.
static int read_upstream(const Queue* queue, Consumption* consumption, Record* record) {
  uint64_t mask = queue->capacity - 1;
  for (;;) {
    Slot* slot = slot_of(queue, consumption->cursor);
    uint64_t index = __atomic_load_n(&slot->data_index, __ATOMIC_ACQUIRE);
    if (index != NONE && reserved_index(queue) < index) {
      consumption->cursor = 0;
      ++consumption->resets;
    }
    uint64_t cursor = consumption->cursor;
    if (index == NONE || index < cursor) return 0;
    if (index > cursor && (index & mask) != (cursor & mask)) {
      consumption->marker_skips += index - cursor;
      consumption->cursor = index;
      continue;
    }
    uint32_t size = __atomic_load_n(&slot->size, __ATOMIC_RELAXED);
    int whole = copy_message(queue, consumption, cursor, size);
    consumption->lost += index - cursor;
    consumption->cursor = index + size;
    account(queue, consumption, index, size, whole, record);
    return 1;
  }
}

// The policy "oldest" of 3.1.
static void resynchronise(const Queue* queue, Consumption* consumption) {
  uint64_t reserved = __atomic_load_n(reserved_word(queue), __ATOMIC_ACQUIRE) >> kIndexShift;
  if (reserved < consumption->cursor) return;  // reset meanwhile: the caller sees it next
  uint64_t passed = reserved + consumption->margin;
  uint64_t found = passed > queue->capacity ? passed - queue->capacity : 0;
  if (found < consumption->cursor) found = consumption->cursor;
  if (found > reserved) found = reserved;
  while (found < reserved && __atomic_load_n(&slot_of(queue, found)->data_index, __ATOMIC_ACQUIRE) != found) ++found;
  consumption->lost += found - consumption->cursor;
  consumption->cursor = found;
}

enum Outcome { kNothing, kDelivered, kAgain };

// One pass of 3.1's steps 2 to 9.
static enum Outcome try_lap_checked(const Queue* queue, Consumption* consumption, Record* record) {
  uint64_t mask = queue->capacity - 1;
  uint64_t cursor = consumption->cursor;
  Slot* slot = slot_of(queue, cursor);
  uint64_t index = __atomic_load_n(&slot->data_index, __ATOMIC_ACQUIRE);
  if (index == NONE || index < cursor) return kNothing;
  if ((index & mask) != (cursor & mask)) {
    if ((index & mask) != 0 || index > reserved_index(queue)) return kNothing;  // half a marker (H13)
    consumption->marker_skips += index - cursor;
    consumption->cursor = index;
    return kAgain;
  }
  uint32_t size = __atomic_load_n(&slot->size, __ATOMIC_RELAXED);
  int whole = size >= 1 && copy_message(queue, consumption, index, size);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  if (!whole || reserved_index(queue) + consumption->margin > index + queue->capacity ||
      __atomic_load_n(&slot->data_index, __ATOMIC_RELAXED) != index) {
    ++consumption->discarded;
    resynchronise(queue, consumption);
    return consumption->cursor == cursor ? kNothing : kAgain;
  }
  consumption->lost += index - cursor;
  consumption->cursor = index + size;
  account(queue, consumption, index, size, 1, record);
  return kDelivered;
}

static int read_lap_checked(const Queue* queue, Consumption* consumption, Record* record) {
  for (;;) {
    uint64_t reserved = __atomic_load_n(reserved_word(queue), __ATOMIC_ACQUIRE) >> kIndexShift;
    if (reserved < consumption->cursor) {
      consumption->cursor = 0;
      ++consumption->resets;
    } else if (reserved > consumption->cursor + queue->capacity) {
      resynchronise(queue, consumption);
    }
    enum Outcome outcome = try_lap_checked(queue, consumption, record);
    if (outcome != kAgain) return outcome == kDelivered;
  }
}

// Delivers at most `limit` messages; fewer when there is nothing to read now.
uint64_t peer_consume_many(const Queue* queue, Consumption* consumption, uint64_t limit, Record* records) {
  uint64_t done = 0;
  while (done < limit) {
    Record* record = records == NULL ? NULL : records + done;
    int delivered = consumption->lap_checked ? read_lap_checked(queue, consumption, record)
                                             : read_upstream(queue, consumption, record);
    if (!delivered) break;
    ++done;
  }
  return done;
}

static int claim(const Queue* queue, uint64_t* shared, uint64_t cursor, uint64_t next) {
  if (queue->relaxed_cursor) {
    return __atomic_compare_exchange_n(shared, &cursor, next, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  }
  return __atomic_compare_exchange_n(shared, &cursor, next, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

// 2.4; 1 when a message became ours.
static int steal_one(const Queue* queue, Consumption* consumption, uint64_t* shared, Record* record) {
  uint64_t mask = queue->capacity - 1;
  for (;;) {
    uint64_t cursor =
        queue->relaxed_cursor ? __atomic_load_n(shared, __ATOMIC_RELAXED) : __atomic_load_n(shared, __ATOMIC_ACQUIRE);
    Slot* slot = slot_of(queue, cursor);
    uint64_t index = __atomic_load_n(&slot->data_index, __ATOMIC_ACQUIRE);
    if (index != NONE && reserved_index(queue) < index) {
      __atomic_store_n(shared, 0, __ATOMIC_RELEASE);
      ++consumption->resets;
      continue;
    }
    if (index == NONE || index < cursor) return 0;
    if (index > cursor && (index & mask) != (cursor & mask)) {
      if (claim(queue, shared, cursor, index)) consumption->marker_skips += index - cursor;
      continue;
    }
    uint32_t size = __atomic_load_n(&slot->size, __ATOMIC_RELAXED);
    if (!claim(queue, shared, cursor, index + size)) continue;
    consumption->lost += index - cursor;
    account(queue, consumption, index, size, copy_message(queue, consumption, cursor, size), record);
    return 1;
  }
}

uint64_t peer_steal_many(const Queue* queue, Consumption* consumption, uint64_t* shared, uint64_t limit,
                         Record* records) {
  uint64_t done = 0;
  while (done < limit && steal_one(queue, consumption, shared, records == NULL ? NULL : records + done)) ++done;
  return done;
}
