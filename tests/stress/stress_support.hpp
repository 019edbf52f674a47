#pragma once

#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <sluice/shm/atomic.hpp>
#include <sluice/transport.hpp>

namespace sluice::stress {

/// Command line: MODE --name value ...; each value may also come from the environment as SLUICE_STRESS_NAME.
struct Options {
  std::string mode = "run";
  bool reliable = true;
  std::uint32_t writers = 4;
  std::uint32_t readers = 4;
  std::uint64_t messages = 200'000;  ///< In all, shared between the writers.
  std::uint32_t actions = 60;        ///< Crash campaign: how many kills and stops.
  std::uint32_t depth = 64;
  std::uint32_t max_size = 512;
  std::uint64_t seed = 1;
  std::uint32_t watchdog = 300;  ///< Seconds without which something is stuck.
  std::uint32_t pause_us = 0;    ///< Writer 0's pause between messages; 0: none.
  std::uint32_t element = 0;     ///< Raw topics: bytes of an element. 0: a topic of Sluice's own.
};

using Word = shm::SharedAtomic<std::uint64_t>;
inline std::uint64_t value(const Word& word) { return word.load_acquire(); }
inline constexpr std::size_t kMostProcesses = 512;  ///< Incarnations, replaced ones included.

/// A publisher's own log. Each word is stored before and after the call it tells of, so that the log of a killed
/// publisher is known to within the one message in flight.
struct WriterLog {
  Word begun;  ///< Calls of publish, stored before the call.
  Word ok;     ///< Results, stored after it.
  Word uncertain;
  Word timeouts;
  Word finished;  ///< The process ended in order.
};

struct ReaderLog {
  Word opened;
  Word joined;
  Word received;    ///< Our own count, not the reader's.
  Word positions;   ///< The same in positions: elements of a raw topic, otherwise messages.
  Word lost_told;   ///< Sum of MessageInfo::lost.
  Word views_lost;  ///< reliable: taken, but no longer valid after reading (evicted meanwhile).
  Word torn;
  Word disorder;  ///< Duplicated or reordered within a publisher.
  Word finished;
  // The reader's books at its end.
  Word reserved;
  Word books_received;
  Word lost;
  Word skipped;
  Word queued;
  Word evictions;
  std::array<Word, kMostProcesses> from;  ///< Messages of each writer incarnation.
};

/// What all processes share beside the topic itself.
struct Shared {
  Word ready;
  Word go;
  Word stop;          ///< Writers: end.
  Word writers_done;  ///< Readers: drain and end.
  Word hold_writers;  ///< Writers: pause between two messages while this is not 0.
  Word hold_readers;  ///< Readers: likewise.
  Word events;        ///< What transports reported of their own accord.
  std::array<WriterLog, kMostProcesses> writers;
  std::array<ReaderLog, kMostProcesses> readers;

  static Shared& create() {
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
    return *::new (memory) Shared{};
  }
};

/// A message: who, which, how long, and a checksum over everything else.
struct Head {
  std::uint64_t checksum;
  std::uint64_t sequence;
  std::uint32_t writer;
  std::uint32_t length;
};

inline std::uint64_t checksum(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0x9E3779B97F4A7C15U;
  const auto mix = [&](std::uint64_t word) { sum = (sum ^ word) * 0xFF51AFD7ED558CCDU + (sum >> 29U); };
  std::size_t i = sizeof(Head::checksum);
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    mix(word);
  }
  for (; i < bytes.size(); ++i) mix(std::to_integer<std::uint64_t>(bytes[i]));
  return sum;
}

/// Fills `buffer` (its size is the length) with the message `sequence` of `writer`.
inline void compose(std::span<std::byte> buffer, std::uint32_t writer, std::uint64_t sequence) {
  std::memset(buffer.data(), static_cast<int>((sequence * 131 + writer) & 0xFFU), buffer.size());
  Head head{0, sequence, writer, static_cast<std::uint32_t>(buffer.size())};
  std::memcpy(buffer.data(), &head, sizeof head);
  head.checksum = checksum(buffer);
  std::memcpy(buffer.data(), &head, sizeof head);
}

[[nodiscard]] TopicSpec make_spec(const Options& options);

/// Bodies of the processes. `index` is the incarnation. They return the exit code.
struct Place {
  const Options& options;
  Shared& shared;
  const std::string& directory;
  TopicSpec spec;

  /// Counts and prints what is reported.
  [[nodiscard]] TransportContext context() const {
    return {directory, {}, [this](const TransportEvent& event) {
              shared.events.fetch_add_relaxed(1);
              std::fprintf(stderr, "%s\n", event.message.c_str());
            }};
  }
};
int write_messages(const Place& place, std::uint32_t index, std::uint64_t messages);
int read_messages(const Place& place, std::uint32_t index, std::uint64_t most = UINT64_MAX);

/// Modes. They return the exit code.
int run(const Options& options);
int crash(const Options& options);

/// Reports a condition that does not hold; counts them.
class Verdict {
 public:
  void require(bool condition, const std::string& what) {
    if (condition) return;
    ++failures_;
    std::printf("FAILED: %s\n", what.c_str());
  }
  [[nodiscard]] int exit_code() const { return failures_ == 0 ? 0 : 1; }

 private:
  int failures_ = 0;
};

}  // namespace sluice::stress
