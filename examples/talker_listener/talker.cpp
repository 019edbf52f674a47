#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>

#include <sluice/sluice.hpp>

#include "imu.hpp"

int main(int argc, char** argv) try {
  using namespace std::chrono_literals;
  sluice::Node node{"talker", sluice::NodeOptions::from_args(argc, argv)};  // --config, --name, --remap, --param, ...
  auto imu = node.advertise<example::Imu>("imu/raw");                       // transport, depth and QoS: from the YAML

  std::uint64_t count = 0;
  node.every(10ms, [&] {
    auto loan = imu.loan();  // memory of the transport itself
    if (!loan) return;
    const double t = 0.01 * static_cast<double>(++count);
    *loan = {count, {std::sin(t), std::cos(t), 9.81}, {0.0, 0.0, 0.1}};
    imu.publish(std::move(loan));
  });
  node.every(1s, [&] { node.log().info("published {}, {} listening", count, imu.subscriber_count()); });
  node.spin();  // until SIGINT, SIGTERM or node.shutdown()
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "talker: %s\n", error.what());
  return 2;
}
