#include <cstdio>
#include <cstring>
#include <exception>

#include <sluice/sluice.hpp>

#include "frame.hpp"

int main(int argc, char** argv) try {
  sluice::Node node{"viewer", sluice::NodeOptions::from_args(argc, argv)};

  const auto look = [&](std::span<const std::byte> frame) {  // on a reliable topic this is the ring's own memory
    example::FrameHeader header{};
    std::memcpy(&header, frame.data(), sizeof header);
    const bool intact = header.checksum == example::checksum(frame.subspan(sizeof header));
    std::printf("frame %u: %u x %u, %zu bytes, %s\n", header.number, header.width, header.height, frame.size(),
                intact ? "intact" : "damaged");
    if (header.number == example::kFrames) node.shutdown();
  };
  const auto frames = node.subscribe_bytes("camera/frames", look, "example/Frame");
  node.spin();
  std::printf("lost %llu\n", static_cast<unsigned long long>(frames.stats().lost));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "viewer: %s\n", error.what());
  return 2;
}
