#pragma once

#include <mutex>

#include "interop/golden_support.hpp"
#include "unit/slick/slick_support.hpp"

namespace sluice::test {

/// A raw topic of 8 elements of 8 bytes, as the golden files.
struct RawBench : TopicBench {
  explicit RawBench(Reliability reliability = Reliability::best_effort) : TopicBench(reliability, 8, 64) {
    set_option("segment", name.name());
    set_option("element", "8B");
    set_option("hole_timeout", "5ms");
  }

  /// The segment as a foreign program has it.
  [[nodiscard]] TestRing ring() const { return TestRing(slick::attach_segment(golden_request(name))); }

  /// As writer() and reader(), with what they report kept in `events`.
  [[nodiscard]] std::unique_ptr<Writer> heard_writer() { return transport->open_writer(spec, heard_context()); }
  [[nodiscard]] std::unique_ptr<Reader> heard_reader() { return transport->open_reader(spec, heard_context()); }

  SegmentName name;
  std::vector<TransportEvent> events;

 private:
  [[nodiscard]] TransportContext heard_context() {
    TransportContext context = this->context();
    context.report = [this](const TransportEvent& event) { events.push_back(event); };
    return context;
  }
};

inline const std::string kEight = "12345678";

}  // namespace sluice::test
