#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <thread>

#include <sluice/eshm/segment.hpp>

#include "eshm/eshm_reader.hpp"
#include "eshm/eshm_writer.hpp"
#include "kill_points/eshm_players.hpp"
#include "kill_points/topic_case.hpp"

namespace sluice::kill_points {

namespace {

constexpr int kMessagesPerVisit = 5;

eshm::EshmOptions topic_options(const EshmPlace& place) {
  eshm::EshmOptions options;
  options.topic = "/topic";
  options.request.name = place.name;
  options.request.max_size = 64;
  return options;
}

/// What an original's master does: it gives the name to a segment of its own.
void replace_segment(const EshmPlace& place) {
  const eshm::SegmentRequest request = topic_options(place).request;
  (void)::unlink(eshm::segment_path(place.name).c_str());
  (void)eshm::create_segment(request, [](eshm::Segment&) {});
}

/// Publishes until the reader receives what is published now; the two move to another segment on their own.
bool pass_message(eshm::EshmWriter& writer, eshm::EshmReader& reader, std::uint64_t number) {
  return test::eventually(
      [&] {
        (void)writer.publish_copy(std::as_bytes(std::span(&number, 1)), 0);
        const auto message = reader.take();
        if (!message) return false;
        reader.release(*message);
        return true;
      },
      kWatchdog);
}

}  // namespace

int visit_topic(const EshmPlace& place, int visits, bool replaced) {
  for (int visit = 0; visit < visits && place.shared.stop_victim.load_acquire() == 0; ++visit) {
    eshm::EshmReader reader(topic_options(place), {});
    eshm::EshmWriter writer(topic_options(place), {});
    for (std::uint64_t k = 0; k < kMessagesPerVisit; ++k) {
      if (!pass_message(writer, reader, k)) return 20;
    }
    if (!replaced) continue;
    replace_segment(place);
    const auto moved = [&] {
      (void)pass_message(writer, reader, 0);
      return eshm::attach_segment(topic_options(place).request)
                 ->mailbox(eshm::Side::master)
                 .tail->read_count.load_relaxed() != 0;
    };
    if (!test::eventually(moved, kWatchdog)) return 21;
  }
  return 0;
}

}  // namespace sluice::kill_points
