#include <chrono>
#include <cstdio>
#include <exception>

#include <sluice/sluice.hpp>

#include "imu.hpp"

int main(int argc, char** argv) try {
  using namespace std::chrono_literals;
  sluice::Node node{"listener", sluice::NodeOptions::from_args(argc, argv)};

  double height = 0;
  auto imu = node.subscribe<example::Imu>("imu/raw", [&](const example::Imu& message, const sluice::MessageInfo& info) {
    if (info.lost > 0) node.log().warn("{} messages lost before number {}", info.lost, message.count);
    height = message.accel[2];
  });
  node.every(1s, [&] {
    const sluice::ReaderStats books = imu.stats();
    node.log().info("received {}, lost {}, z = {:.2f}", books.received, books.lost, height);
  });
  node.spin();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "listener: %s\n", error.what());
  return 2;
}
