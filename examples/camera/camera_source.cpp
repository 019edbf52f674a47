// Draws images at a steady rate, each into the memory that the filter will read it from.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>

#include <sluice/sluice.hpp>

#include "image.hpp"
#include "stage_meter.hpp"

namespace {

/// Lines of one brightness, a little brighter in every next one; they move from image to image.
void draw(example::Image& image) {
  image.sum = 0;
  auto line = image.pixels.begin();
  for (std::size_t y = 0; y < example::kHeight; ++y, line += example::kWidth * 3) {
    const auto brightness = static_cast<std::uint8_t>(y + image.number);
    std::fill_n(line, example::kWidth * 3, brightness);
    image.sum += std::uint64_t{brightness} * example::kWidth * 3;
  }
}

}  // namespace

int main(int argc, char** argv) try {
  using namespace std::chrono_literals;
  sluice::Node node{"camera_source", sluice::NodeOptions::from_args(argc, argv)};
  const auto frames = node.parameter<std::uint32_t>("frames", 90);
  const auto rate = node.parameter("rate", 30.0);
  auto out = node.advertise<example::Image>("camera/image");
  if (!out.wait_for_subscribers(1, 30s)) throw sluice::Error("nobody subscribed to camera/image within 30 s");

  example::StageMeter meter;
  std::uint32_t unsent = 0;
  node.every(std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / rate)), [&] {
    meter.frame();
    auto image = out.loan();  // a chunk of the topic's shared memory
    if (!image) throw sluice::Error(out.explain(image.refused(), sizeof(example::Image)));
    image->number = meter.frames();
    image->frames = frames;
    meter.begin_pixels();
    draw(*image);
    meter.end_pixels();
    if (out.publish(std::move(image)) != sluice::PublishResult::ok) ++unsent;  // its number travels, not its bytes
    if (meter.frames() == frames) node.shutdown();
  });
  node.spin();
  meter.print("camera_source", unsent);
  return meter.frames() == frames && unsent == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "camera_source: %s\n", error.what());
  return 2;
}
