// bench_ring [--pairs N] [--json]: Sluice topics at the plugin interface beside the bare cache line, two processes on
// two pinned cores, runs interleaved. Latency is half a round trip of 64-byte messages between spinning readers;
// throughput is one publisher to one reader. Absolute figures move with the machine from minute to minute: the ratios
// are the result.

#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <sluice/shm/atomic.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/transport_registry.hpp>

namespace {

using sluice::shm::SharedAtomic;
using Payload = std::array<std::byte, 64>;

constexpr std::uint64_t kRoundTrips = 100'000;
constexpr std::uint64_t kMessages = 1'000'000;

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(core), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) std::perror("bench_ring: cannot pin a process to its core");
}

/// What both processes share beside the medium under test.
struct Shared {
  alignas(128) SharedAtomic<std::uint64_t> ping;
  alignas(128) SharedAtomic<std::uint64_t> pong;
  alignas(128) SharedAtomic<std::uint32_t> ready;
};

/// Runs `peer` in a child on core 1 and `body` here on core 0; returns what `body` measured.
double measure(const std::function<void(Shared&)>& peer, const std::function<double(Shared&)>& body) {
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no shared memory");
  auto& shared = *static_cast<Shared*>(memory);
  const pid_t child = ::fork();
  if (child == 0) {
    pin(1);
    peer(shared);
    ::_exit(0);
  }
  pin(0);
  const double result = body(shared);
  ::waitpid(child, nullptr, 0);
  ::munmap(memory, sizeof(Shared));
  return result;
}

void wait_until_ready(Shared& shared) {
  while (shared.ready.load_acquire() == 0) sluice::shm::spin_pause();
}

double bare_line_ns() {
  return measure(
      [](Shared& shared) {
        shared.ready.store_release(1);
        for (std::uint64_t i = 1; i <= kRoundTrips; ++i) {
          while (shared.ping.load_acquire() != i) {
          }
          shared.pong.store_release(i);
        }
      },
      [](Shared& shared) {
        wait_until_ready(shared);
        const std::int64_t start = sluice::shm::monotonic_ns();
        for (std::uint64_t i = 1; i <= kRoundTrips; ++i) {
          shared.ping.store_release(i);
          while (shared.pong.load_acquire() != i) {
          }
        }
        return static_cast<double>(sluice::shm::monotonic_ns() - start) / (2.0 * kRoundTrips);
      });
}

class Topics {
 public:
  explicit Topics(sluice::Reliability reliability) {
    directory_ = "/dev/shm/sluice-bench-XXXXXX";
    if (::mkdtemp(directory_.data()) == nullptr) throw std::runtime_error("cannot make a directory in /dev/shm");
    spec_.transport = "slick";
    spec_.max_size = sizeof(Payload);
    spec_.qos.depth = 256;
    spec_.qos.reliability = reliability;
    spec_.qos.max_blocking_time = std::chrono::seconds{20};
  }
  ~Topics() { std::filesystem::remove_all(directory_); }
  Topics(const Topics&) = delete;
  Topics& operator=(const Topics&) = delete;

  std::unique_ptr<sluice::Writer> writer(const std::string& name) {
    spec_.name = name;
    return registry().get("slick").open_writer(spec_, {directory_, {}});
  }
  std::unique_ptr<sluice::Reader> reader(const std::string& name) {
    spec_.name = name;
    return registry().get("slick").open_reader(spec_, {directory_, {}});
  }

 private:
  static sluice::TransportRegistry& registry() {
    static sluice::TransportRegistry made;
    return made;
  }
  std::string directory_;
  sluice::TopicSpec spec_;
};

void receive(sluice::Reader& reader) {
  for (;;) {
    if (const auto message = reader.take()) {
      reader.release(*message);
      return;
    }
  }
}

double topic_latency_ns(sluice::Reliability reliability) {
  Topics topics(reliability);
  const Payload payload{};
  return measure(
      [&](Shared& shared) {
        const auto in = topics.reader("/ping");
        const auto out = topics.writer("/pong");
        shared.ready.store_release(1);
        for (std::uint64_t i = 0; i < kRoundTrips; ++i) {
          receive(*in);
          out->publish_copy(payload, 0);
        }
        while (shared.ready.load_acquire() == 1) sluice::shm::spin_pause();
      },
      [&](Shared& shared) {
        const auto in = topics.reader("/pong");
        const auto out = topics.writer("/ping");
        wait_until_ready(shared);
        const std::int64_t start = sluice::shm::monotonic_ns();
        for (std::uint64_t i = 0; i < kRoundTrips; ++i) {
          out->publish_copy(payload, 0);
          receive(*in);
        }
        const std::int64_t end = sluice::shm::monotonic_ns();
        shared.ready.store_release(2);
        return static_cast<double>(end - start) / (2.0 * kRoundTrips);
      });
}

double topic_throughput(sluice::Reliability reliability) {
  Topics topics(reliability);
  const Payload payload{};
  return measure(
      [&](Shared& shared) {
        const auto in = topics.reader("/data");
        shared.ready.store_release(1);
        for (;;) {
          if (const auto message = in->take()) {
            in->release(*message);
          } else if (shared.pong.load_acquire() != 0 && in->stats().queued == 0) {
            break;
          }
        }
        if (reliability == sluice::Reliability::reliable && in->stats().lost != 0) std::abort();
      },
      [&](Shared& shared) {
        const auto out = topics.writer("/data");
        wait_until_ready(shared);
        const std::int64_t start = sluice::shm::monotonic_ns();
        for (std::uint64_t i = 0; i < kMessages; ++i) out->publish_copy(payload, 0);
        const std::int64_t end = sluice::shm::monotonic_ns();
        shared.pong.store_release(1);
        return static_cast<double>(kMessages) / static_cast<double>(end - start) * 1000.0;
      });
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  int pairs = 15;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) {
      json = true;
    } else if (std::strcmp(argv[i], "--pairs") == 0 && i + 1 < argc) {
      pairs = std::max(1, std::atoi(argv[++i]));
    } else {
      std::fprintf(stderr, "usage: bench_ring [--pairs N] [--json]\n");
      return 2;
    }
  }
  std::vector<double> bare;
  std::array<std::vector<double>, 2> latency;
  std::array<std::vector<double>, 2> ratio;
  std::array<std::vector<double>, 2> throughput;
  for (int pair = 0; pair < pairs; ++pair) {
    bare.push_back(bare_line_ns());
    for (const auto reliability : {sluice::Reliability::best_effort, sluice::Reliability::reliable}) {
      const auto k = static_cast<std::size_t>(reliability);
      latency[k].push_back(topic_latency_ns(reliability));
      ratio[k].push_back(latency[k].back() / bare.back());
      throughput[k].push_back(topic_throughput(reliability));
    }
  }
  const auto [least, most] = std::minmax_element(bare.begin(), bare.end());
  const char* names[] = {"best_effort", "reliable"};
  if (json) {
    std::printf("{\"pairs\": %d, \"bare_line_ns\": {\"median\": %.1f, \"min\": %.1f, \"max\": %.1f}", pairs,
                median(bare), *least, *most);
    for (std::size_t k = 0; k < 2; ++k) {
      std::printf(", \"%s\": {\"latency_ns\": %.1f, \"ratio\": %.2f, \"million_per_s\": %.2f}", names[k],
                  median(latency[k]), median(ratio[k]), median(throughput[k]));
    }
    std::printf("}\n");
    return 0;
  }
  std::printf("64-byte messages, %d interleaved pairs, medians\n", pairs);
  std::printf("%-26s %10.1f ns   (from %.1f to %.1f)\n", "bare cache line", median(bare), *least, *most);
  for (std::size_t k = 0; k < 2; ++k) {
    std::printf("slick topic, %-13s %10.1f ns   %.2fx the bare line   %6.2f million/s one to one\n", names[k],
                median(latency[k]), median(ratio[k]), median(throughput[k]));
  }
  return 0;
}
