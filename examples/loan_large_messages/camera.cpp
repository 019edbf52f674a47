#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>

#include <sluice/sluice.hpp>

#include "frame.hpp"

namespace {

/// Draws the frame into the memory it will be sent from; how many bytes it has.
std::size_t draw(std::uint32_t number, std::span<std::byte> memory) {
  const std::uint32_t height = 500 * number;
  const std::span pixels = memory.subspan(sizeof(example::FrameHeader), std::size_t{example::kWidth} * height);
  std::fill(pixels.begin(), pixels.end(), static_cast<std::byte>(number));
  const example::FrameHeader header{number, example::kWidth, height, example::checksum(pixels)};
  std::memcpy(memory.data(), &header, sizeof header);
  return sizeof header + pixels.size();
}

}  // namespace

int main(int argc, char** argv) try {
  using namespace std::chrono_literals;
  sluice::Node node{"camera", sluice::NodeOptions::from_args(argc, argv)};
  auto frames = node.advertise_bytes("camera/frames", "example/Frame");
  if (!frames.wait_for_subscribers(1, 30s)) throw sluice::Error("nobody subscribed to camera/frames within 30 s");

  for (std::uint32_t number = 1; number <= example::kFrames && sluice::ok(); ++number) {
    sluice::BytesLoan loan = frames.loan(example::kLargestFrame);  // room for any frame
    if (!loan)
      throw sluice::Error(frames.explain(loan.refused(), example::kLargestFrame));  // not --config topics.yaml?
    const std::size_t used = draw(number, loan.bytes());
    if (frames.publish(std::move(loan), used) != sluice::PublishResult::ok) {  // only `used` bytes travel
      node.log().warn("frame {} was not sent", number);
    }
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "camera: %s\n", error.what());
  return 2;
}
