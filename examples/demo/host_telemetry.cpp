// Samples this machine's /proc and publishes what it finds as fixed-size messages.

#include <algorithm>
#include <chrono>
#include <deque>

#include <sluice/sluice.hpp>

#include "messages.hpp"
#include "node_main.hpp"
#include "proc_files.hpp"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

const demo::Program kProgram{"host_telemetry",
                             "publishes processor, memory, disk and network figures of this machine",
                             {{"period", "20ms", "time between two samples"}}};

/// The kernel counts processor time in ticks of 10 ms: a rate over one period would be noise, so it is one over this.
constexpr auto kWindow = 1s;

struct Snapshot {
  Clock::time_point time;
  std::vector<demo::CpuTicks> cpus;
  demo::Traffic disk;
  demo::Traffic network;
};

float percent(const demo::CpuTicks& before, const demo::CpuTicks& now) {
  // Some counters step back now and then (proc(5) says so about iowait).
  if (now.all <= before.all || now.busy <= before.busy) return 0.0F;
  const auto share = static_cast<double>(now.busy - before.busy) / static_cast<double>(now.all - before.all);
  return static_cast<float>(100.0 * std::min(share, 1.0));
}

double per_second(std::uint64_t before, std::uint64_t now, Clock::duration time) {
  if (now < before || time <= 0s) return 0.0;
  return static_cast<double>(now - before) / std::chrono::duration<double>(time).count();
}

class HostTelemetry {
 public:
  explicit HostTelemetry(sluice::Node& node)
      : node_(node),
        cpu_(node.advertise<demo::CpuSample>("/host/cpu")),
        memory_(node.advertise<demo::MemorySample>("/host/memory")),
        disk_(node.advertise<demo::DiskSample>("/host/disk")),
        network_(node.advertise<demo::NetworkSample>("/host/network")) {
    for (const demo::ProcFile* file : {&stat_, &meminfo_, &diskstats_, &net_dev_}) {
      if (!file->exists()) node.log().warn("there is no {} here; its figures stay 0", file->path());
    }
  }

  int run() {
    const auto period = demo::duration_parameter(node_, kProgram, "period");
    node_.every(period, [this] { sample(); });
    node_.log().info("sampling /proc every {} ms", std::chrono::duration<double, std::milli>(period).count());
    node_.spin();
    node_.log().info("published {} samples", cpu_.stats().published);
    return 0;
  }

 private:
  void sample() {
    Snapshot now{Clock::now(), demo::parse_cpu(stat_.text()), disks_.parse(diskstats_.text()),
                 demo::parse_network(net_dev_.text())};
    while (!window_.empty() && now.time - window_.front().time > kWindow) window_.pop_front();
    const Snapshot& before = window_.empty() ? now : window_.front();
    const auto stamp = static_cast<std::uint64_t>(std::chrono::nanoseconds(now.time.time_since_epoch()).count());
    publish_cpu(stamp, before, now);
    demo::MemorySample memory = demo::parse_memory(meminfo_.text());
    memory.stamp_ns = stamp;
    memory_.publish(memory);
    const auto time = now.time - before.time;
    disk_.publish({stamp, now.disk.devices, now.disk.in, now.disk.out, per_second(before.disk.in, now.disk.in, time),
                   per_second(before.disk.out, now.disk.out, time)});
    network_.publish({stamp, now.network.devices, now.network.in, now.network.out,
                      per_second(before.network.in, now.network.in, time),
                      per_second(before.network.out, now.network.out, time)});
    window_.push_back(std::move(now));
  }

  void publish_cpu(std::uint64_t stamp, const Snapshot& before, const Snapshot& now) {
    auto loan = cpu_.loan();  // written where it is sent from
    if (!loan) return;
    *loan = demo::CpuSample{};
    loan->stamp_ns = stamp;
    // The first line is all cores together. Cores may come and go: then there is nothing to compare with.
    if (before.cpus.size() == now.cpus.size() && !now.cpus.empty()) {
      const std::size_t cores = std::min<std::size_t>(now.cpus.size() - 1, demo::kMostCores);
      loan->cores = static_cast<std::uint32_t>(cores);
      loan->busy_percent = percent(before.cpus[0], now.cpus[0]);
      for (std::size_t i = 0; i < cores; ++i) loan->core_percent[i] = percent(before.cpus[i + 1], now.cpus[i + 1]);
    }
    cpu_.publish(std::move(loan));
  }

  sluice::Node& node_;
  demo::ProcFile stat_{"/proc/stat"};
  demo::ProcFile meminfo_{"/proc/meminfo"};
  demo::ProcFile diskstats_{"/proc/diskstats"};
  demo::ProcFile net_dev_{"/proc/net/dev"};
  demo::DiskParser disks_;
  std::deque<Snapshot> window_;  ///< Of the last second, the oldest first.
  sluice::Publisher<demo::CpuSample> cpu_;
  sluice::Publisher<demo::MemorySample> memory_;
  sluice::Publisher<demo::DiskSample> disk_;
  sluice::Publisher<demo::NetworkSample> network_;
};

}  // namespace

int main(int argc, char** argv) {
  return demo::node_main(argc, argv, kProgram, [](sluice::Node& node) { return HostTelemetry(node).run(); });
}
