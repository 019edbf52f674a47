// Adds up the bytes of every image, where the filter wrote them, and says whether all of them are right.

#include <cstdio>
#include <exception>
#include <numeric>

#include <sluice/sluice.hpp>

#include "image.hpp"
#include "stage_meter.hpp"

int main(int argc, char** argv) try {
  sluice::Node node{"camera_viewer", sluice::NodeOptions::from_args(argc, argv)};
  example::StageMeter meter;
  std::uint32_t damaged = 0;
  bool complete = false;
  const auto in = node.subscribe<example::Image>("camera/negative", [&](const example::Image& image) {
    meter.frame();
    meter.begin_pixels();
    const std::uint64_t sum = std::accumulate(image.pixels.begin(), image.pixels.end(), std::uint64_t{0});
    meter.end_pixels();
    if (sum != image.sum || image.number != meter.frames()) ++damaged;
    complete = image.number == image.frames;
    if (complete) node.shutdown();
  });
  node.spin();
  meter.print("camera_viewer", in.stats().lost);
  std::printf("%u images damaged or out of order\n", damaged);
  return complete && damaged == 0 && in.stats().lost == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "camera_viewer: %s\n", error.what());
  return 2;
}
