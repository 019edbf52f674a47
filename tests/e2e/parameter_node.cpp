// A node with a parameter of each type: parameter_node [spin|idle]. It publishes on /ticks while it spins.
#include <cstdio>
#include <exception>
#include <string>
#include <thread>

#include <sluice/sluice.hpp>

int main(int argc, char** argv) {
  try {
    auto options = sluice::NodeOptions::from_args(argc, argv);
    const std::string how = options.arguments.empty() ? "spin" : options.arguments.front();
    sluice::Node node("subject", options);
    node.declare_parameter("flag", true);
    node.declare_parameter<std::int64_t>("count", 3, {"How many", 0, 10, false});
    node.declare_parameter("gain", 0.5, {"", {}, 1.5, false});
    node.declare_parameter<std::string>("label", "one");
    node.declare_parameter<std::string>("fixed", "stays", {"", {}, {}, true});
    node.declare_parameter("sizes", std::vector<std::int64_t>{1, 2});
    node.declare_parameter("names", std::vector<std::string>{"a", "b"});
    node.on_set_parameter([](const std::string& name, const sluice::ParameterValue& value) -> std::string {
      if (name == "label" && std::get<std::string>(value) == "bad") return "that label is taken";
      return {};
    });
    auto ticks = node.advertise_bytes("/ticks");
    std::uint64_t count = 0;
    node.every(std::chrono::milliseconds{10}, [&] {
      ++count;
      (void)ticks.publish(std::as_bytes(std::span(&count, 1)));
    });
    std::printf("ready\n");
    std::fflush(stdout);
    while (how == "idle" && sluice::ok()) std::this_thread::sleep_for(std::chrono::milliseconds{10});
    if (how == "spin") node.spin();
    std::printf("ended\n");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "parameter_node: %s\n", error.what());
    return 2;
  }
}
