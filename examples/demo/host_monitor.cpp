// Subscribes to what host_telemetry and file_sink publish, and prints a line about it now and then.

#include <cstdio>

#include <sluice/sluice.hpp>

#include "file_messages.hpp"
#include "messages.hpp"
#include "node_main.hpp"

namespace {

const demo::Program kProgram{"host_monitor",
                             "prints what the machine does, from /host/* and /file/progress",
                             {{"period", "5s", "time between two lines"}}};

constexpr double kMiB = 1024.0 * 1024.0;
constexpr double kGiB = 1024.0 * kMiB;

/// The latest of everything.
class HostMonitor {
 public:
  explicit HostMonitor(sluice::Node& node) : node_(node) {}

  int run() {
    // A callback runs in the thread that spins, here, so none of this needs a lock.
    const auto cpu = node_.subscribe<demo::CpuSample>("/host/cpu", [this](const auto& sample) { cpu_ = sample; });
    const auto memory =
        node_.subscribe<demo::MemorySample>("/host/memory", [this](const auto& sample) { memory_ = sample; });
    const auto disk = node_.subscribe<demo::DiskSample>("/host/disk", [this](const auto& sample) { disk_ = sample; });
    const auto network =
        node_.subscribe<demo::NetworkSample>("/host/network", [this](const auto& sample) { network_ = sample; });
    const auto progress =
        node_.subscribe<demo::Progress>(demo::kProgressTopic, [this](const auto& news) { progress_ = news; });
    node_.every(demo::duration_parameter(node_, kProgram, "period"), [this] { print(); });
    node_.spin();
    print();
    return 0;
  }

 private:
  void print() const {
    if (cpu_.stamp_ns == 0) {
      std::printf("no telemetry yet\n");
      return;
    }
    std::printf(
        "cpu %.0f%% of %u | memory %.1f of %.1f GiB | disk r %.1f w %.1f MiB/s | net r %.2f s %.2f MiB/s | "
        "files %llu, %.1f MiB\n",
        static_cast<double>(cpu_.busy_percent), cpu_.cores,
        static_cast<double>(memory_.total - memory_.available) / kGiB, static_cast<double>(memory_.total) / kGiB,
        disk_.read_per_second / kMiB, disk_.write_per_second / kMiB, network_.receive_per_second / kMiB,
        network_.send_per_second / kMiB,
        static_cast<unsigned long long>(progress_.files_matched + progress_.files_mismatched),
        static_cast<double>(progress_.bytes) / kMiB);
  }

  sluice::Node& node_;
  demo::CpuSample cpu_{};
  demo::MemorySample memory_{};
  demo::DiskSample disk_{};
  demo::NetworkSample network_{};
  demo::Progress progress_{};
};

}  // namespace

int main(int argc, char** argv) {
  return demo::node_main(argc, argv, kProgram, [](sluice::Node& node) { return HostMonitor(node).run(); });
}
