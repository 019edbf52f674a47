// open_topic publish|subscribe TOPIC [node options]: opens a topic of bytes, says so, and waits to be ended.

#include <cstdio>

#include <sluice/sluice.hpp>

int main(int argc, char** argv) {
  try {
    const auto options = sluice::NodeOptions::from_args(argc, argv);
    sluice::Node node("open_topic", options);
    const std::string& side = options.arguments.at(0);
    const std::string& topic = options.arguments.at(1);
    if (side == "publish") {
      const auto publisher = node.advertise_bytes(topic);
      std::puts("open");
      std::fflush(stdout);
      node.spin();
    } else {
      const auto subscription = node.subscribe_bytes(topic, [](std::span<const std::byte>) {});
      std::puts("open");
      std::fflush(stdout);
      node.spin();
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "open_topic: %s\n", error.what());
    return 2;
  }
}
