#include <chrono>
#include <cstdio>
#include <exception>

#include <sluice/sluice.hpp>

namespace {

using namespace std::chrono_literals;

struct Ticks {
  std::uint64_t count;
};

constexpr std::uint64_t kEnough = 50;

/// A sensor: a node of its own, that publishes by a timer.
class Wheel {
 public:
  Wheel(const std::string& name, const sluice::NodeOptions& options)
      : node_(name, options), ticks_(node_.advertise<Ticks>(name + "/ticks")) {
    node_.every(2ms, [this] { ticks_.publish(Ticks{++count_}); });
  }
  [[nodiscard]] sluice::Node& node() noexcept { return node_; }

 private:
  sluice::Node node_;
  sluice::Publisher<Ticks> ticks_;
  std::uint64_t count_ = 0;
};

/// What a control loop knows of a wheel: it is asked when the loop has time, instead of being called.
class Odometer {
 public:
  Odometer(sluice::Node& node, std::string wheel)
      : wheel_(std::move(wheel)), ticks_(node.subscribe<Ticks>(wheel_ + "/ticks")) {}

  /// Takes everything that came since the last step.
  void step() {
    while (const auto message = ticks_.take()) ++taken_;
  }
  [[nodiscard]] bool enough() const noexcept { return taken_ >= kEnough; }
  void print() const {
    std::printf("%s: at least %llu ticks, lost %llu\n", wheel_.c_str(), static_cast<unsigned long long>(kEnough),
                static_cast<unsigned long long>(ticks_.stats().lost));
  }

 private:
  std::string wheel_;
  sluice::Subscription<Ticks> ticks_;
  std::uint64_t taken_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  const auto options = sluice::NodeOptions::from_args(argc, argv);
  Wheel left_wheel{"left_wheel", options};
  Wheel right_wheel{"right_wheel", options};
  sluice::Node controller{"controller", options};
  Odometer left{controller, "left_wheel"};
  Odometer right{controller, "right_wheel"};

  sluice::Executor executor;  // three nodes, one thread
  for (sluice::Node* node : {&left_wheel.node(), &right_wheel.node(), &controller}) executor.add(*node);
  controller.every(10ms, [&] {
    left.step();
    right.step();
    if (left.enough() && right.enough()) executor.shutdown();
  });
  executor.spin();
  left.print();
  right.print();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "robot: %s\n", error.what());
  return 2;
}
