// Makes the negative of every image: reads it where the camera drew it, and writes where the viewer will read.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>

#include <sluice/sluice.hpp>

#include "image.hpp"
#include "stage_meter.hpp"

int main(int argc, char** argv) try {
  using namespace std::chrono_literals;
  sluice::Node node{"camera_filter", sluice::NodeOptions::from_args(argc, argv)};
  auto out = node.advertise<example::Image>("camera/negative");
  // Whoever subscribes later misses what came before: so the filter is there for the camera when the viewer is.
  if (!out.wait_for_subscribers(1, 30s)) throw sluice::Error("nobody subscribed to camera/negative within 30 s");

  example::StageMeter meter;
  std::uint32_t unsent = 0;
  bool complete = false;
  const auto in = node.subscribe<example::Image>("camera/image", [&](const example::Image& image) {
    meter.frame();
    auto negative = out.loan();
    if (!negative) throw sluice::Error(out.explain(negative.refused(), sizeof(example::Image)));
    negative->number = image.number;
    negative->frames = image.frames;
    negative->sum = 255 * std::uint64_t{example::kPixelBytes} - image.sum;
    meter.begin_pixels();
    std::transform(image.pixels.begin(), image.pixels.end(), negative->pixels.begin(),
                   [](std::uint8_t byte) { return static_cast<std::uint8_t>(255 - byte); });
    meter.end_pixels();
    if (out.publish(std::move(negative)) != sluice::PublishResult::ok) ++unsent;
    complete = image.number == image.frames;
    if (complete) node.shutdown();
  });
  node.spin();
  meter.print("camera_filter", in.stats().lost + unsent);
  return complete && in.stats().lost + unsent == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "camera_filter: %s\n", error.what());
  return 2;
}
