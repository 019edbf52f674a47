#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include <sluice/transport.hpp>

namespace sluice::commands {

/// What the last messages of a topic were like. Times are those of the publications, where messages carry them.
class MessageWindow {
 public:
  explicit MessageWindow(std::size_t most) : most_(most) {}

  void add(const TakenMessage& message, std::int64_t now_ns);

  /// Distances of neighbours, in seconds. Where the observer missed messages there is a gap, which counts for the rate
  /// alone.
  struct Rate {
    double per_second = 0;
    double shortest = 0;
    double longest = 0;
    double deviation = 0;
    std::size_t window = 0;  ///< Distances; 0: there are none yet.
  };
  [[nodiscard]] Rate rate() const;

  /// Bytes.
  struct Sizes {
    double per_second = 0;
    double mean = 0;
    std::size_t smallest = 0;
    std::size_t largest = 0;
    std::size_t messages = 0;
  };
  [[nodiscard]] Sizes sizes(std::int64_t now_ns) const;

  /// From publication until the message was added, in seconds; of those that say when they were published.
  struct Delays {
    double mean = 0;
    double shortest = 0;
    double longest = 0;
    double deviation = 0;
    double median = 0;
    double p99 = 0;
    std::size_t messages = 0;
  };
  [[nodiscard]] Delays delays() const;

 private:
  struct Seen {
    std::int64_t ns;
    std::optional<std::int64_t> delay_ns;
    std::size_t bytes;
    std::uint64_t lost_before;
  };

  std::size_t most_;
  std::deque<Seen> seen_;
};

}  // namespace sluice::commands
