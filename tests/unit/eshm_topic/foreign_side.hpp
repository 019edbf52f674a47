#pragma once

#include <unistd.h>

#include <atomic>
#include <thread>
#include <utility>

#include "unit/eshm_topic/eshm_topic_support.hpp"

namespace sluice::test {

/// A program of the original on one side of a segment: says that it is there and beats, asks nobody and locks nothing.
/// Its pid is this process's. What it leaves when it is destroyed is what SIGKILL leaves.
class ForeignSide {
 public:
  ForeignSide(eshm::Segment segment, eshm::Side side)
      : segment_(std::move(segment)), words_(eshm::side_words(segment_.header(), side)), side_(side) {
    if (side == eshm::Side::master) segment_.header().master_generation.fetch_add_relaxed(1);
    words_.pid.store_relaxed(kPid);
    words_.alive.store_release(1);
    words_.heartbeat.store_relaxed(0);
    thread_ = std::jthread([this](const std::stop_token& end) {
      for (; !end.stop_requested(); std::this_thread::sleep_for(std::chrono::milliseconds{1})) {
        if (!stopped_) words_.heartbeat.fetch_add_relaxed(1);
      }
    });
  }

  void write(const std::string& text) { eshm::MailboxWriter(segment_.mailbox(side_)).write(bytes_of(text)); }
  void stop() { stopped_ = true; }
  void go_on() { stopped_ = false; }

  /// The original's destroy; `creator`: removes the name as well.
  void leave(bool creator) {
    thread_ = {};
    words_.alive.store_release(0);
    if (creator) ::unlink(segment_.path.c_str());
  }

  [[nodiscard]] eshm::Segment& segment() { return segment_; }

  /// Names no process: the largest is 2^22.
  static constexpr std::uint32_t kPid = 0x7ffffff0;

 private:
  eshm::Segment segment_;
  eshm::SideWords words_;
  eshm::Side side_;
  std::atomic<bool> stopped_{false};
  std::jthread thread_;
};

/// As a master of the original starts that finds no living slave: the name means a new file, whatever was there.
inline eshm::Segment replace_segment(const ChannelBench& bench) {
  eshm::SegmentRequest request;
  request.name = bench.channel.name();
  request.max_size = bench.max_size;
  for (;;) {
    ::unlink(bench.channel.path().c_str());
    // Nothing: a Link found no name and made a segment, which is replaced then.
    if (auto segment = eshm::create_segment(request, [](eshm::Segment&) {})) return std::move(*segment);
  }
}

}  // namespace sluice::test
