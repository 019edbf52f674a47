#include "race/scenarios.hpp"

#include <sluice/plugin.hpp>

#include "race/race_support.hpp"

extern "C" const sluice::PluginDescriptor sluice_plugin_inproc;

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

struct InprocBench {
  explicit InprocBench(Reliability reliability) : transport(sluice_plugin_inproc.create()) {
    spec.name = "/bench/inproc";
    spec.qos.reliability = reliability;
    spec.qos.depth = 4;
    spec.qos.max_blocking_time = 60s;
    spec.max_size = sizeof(Message);
  }
  [[nodiscard]] std::shared_ptr<Writer> writer() const { return transport->open_writer(spec, {"domain", {}}); }
  [[nodiscard]] std::shared_ptr<Reader> reader() const { return transport->open_reader(spec, {"domain", {}}); }

  std::unique_ptr<Transport> transport;
  TopicSpec spec;
};

void send_all(Writer& writer, std::uint64_t messages) {
  for (std::uint64_t i = 0; i < messages; ++i) send_number(writer, i);
}

}  // namespace

void inproc_reliable() {
  constexpr std::uint64_t kMessages = 10'000;
  const InprocBench bench(Reliability::reliable);
  Crew crew;
  for (const Idle idle : {Idle::poll, Idle::sleep}) {
    crew.add([&, idle, reader = bench.reader()] { take_all(*reader, 2 * kMessages, idle); });
  }
  for (int k = 0; k < 2; ++k) crew.add([&, writer = bench.writer()] { send_all(*writer, kMessages); });
  crew.run();
}

void inproc_best_effort() {
  constexpr std::uint64_t kMessages = 20'000;
  const InprocBench bench(Reliability::best_effort);
  Signal done;
  Crew crew;
  for (int k = 0; k < 2; ++k) {
    crew.add([&, reader = bench.reader()] {
      while (done.value() < 2) {
        if (!take_one(*reader)) std::this_thread::yield();
      }
    });
    crew.add([&, writer = bench.writer()] {
      send_all(*writer, kMessages);
      done.add();
    });
  }
  crew.run();
}

/// A message is written again in the moment in which its reader has let go of it.
void inproc_one_by_one() {
  constexpr std::uint64_t kMessages = 5'000;
  const InprocBench bench(Reliability::reliable);
  Signal taken;
  Crew crew;
  crew.add([&, reader = bench.reader()] {
    while (taken.value() < kMessages) {
      if (take_one(*reader)) taken.add();
    }
  });
  crew.add([&, writer = bench.writer()] {
    for (std::uint64_t i = 0; i < kMessages; ++i) {
      taken.wait_for(i);
      send_number(*writer, i);
    }
  });
  crew.run();
}

void inproc_coming_and_going() {
  constexpr int kVisits = 500;
  const InprocBench bench(Reliability::best_effort);
  const auto keeper = bench.reader();
  Signal gone;
  Crew crew;
  crew.add([&, writer = bench.writer()] {
    while (gone.value() == 0) send_number(*writer, 1);
  });
  crew.add([&] {
    for (int visit = 0; visit < kVisits; ++visit) {
      const auto reader = bench.reader();
      const auto writer = bench.writer();
      send_number(*writer, 2);
      (void)take_one(*reader);
    }
    gone.set(1);
  });
  crew.run();
}

}  // namespace sluice::test
