#pragma once

#include "harness/traffic.hpp"

/// `sluice::slick::Queue<T>`, the drop-in class, as runs.
namespace sluice::bench {

/// How a message leaves the queue.
enum class QueueReading {
  in_place,       ///< read with a private cursor, the element where it lies, then still_valid.
  copy,           ///< read_copy with a private cursor.
  shared_cursor,  ///< read with a cursor that others could share, then still_valid.
};

/// Who created the segment.
enum class QueueSegment {
  current,  ///< As 1.4.0 creates it: `last_published` is maintained.
  legacy,   ///< As 1.3.0 creates it: it is not.
};

struct QueueKind {
  QueueReading reading = QueueReading::in_place;
  QueueSegment segment = QueueSegment::current;
};

/// Messages of `size` bytes, 64 or 1024, one element each.
[[nodiscard]] Outcome queue_latency(QueueKind kind, RoundTrips trips, std::size_t size);
[[nodiscard]] Outcome queue_throughput(QueueKind kind, std::uint64_t messages, std::size_t size);

}  // namespace sluice::bench
