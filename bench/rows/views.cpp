#include <string>

#include "harness/cycle_clock.hpp"
#include "limits/pages.hpp"
#include "rows/iceoryx.hpp"
#include "rows/rows.hpp"
#include "rows/topic_runs.hpp"

/// Large messages that nobody copies: from before the publication of a filled loan until the reader has seen it.
namespace sluice::bench {

namespace {

constexpr std::size_t kSize = std::size_t{4} << 20U;
constexpr std::uint64_t kWarm = 32;

/// What the reader does with a message.
enum class Look { pages, lines };

void look_at(std::span<const std::byte> memory, Look look) noexcept {
  if (look == Look::pages) {
    (void)limits::touch_pages(memory);
  } else {
    (void)read_every_line(memory.data(), memory.size());
  }
}

void report(Meeting& meeting, std::vector<std::uint64_t>& cycles, const CycleClock& clock) {
  meeting.outcome.p50 = percentile(cycles, 0.5) * clock.ns_per_cycle();
  meeting.outcome.p99 = percentile(cycles, 0.99) * clock.ns_per_cycle();
  meeting.outcome.p999 = percentile(cycles, 0.999) * clock.ns_per_cycle();
  meeting.outcome.value = meeting.outcome.p50;
}

/// A message is sent when the one before was seen and given back. Its first word is the time at which it was sent.
template <typename MakeOut, typename MakeIn>
Outcome views(std::uint64_t messages, Look look, MakeOut make_out, MakeIn make_in) {
  const SharedMemory memory(sizeof(shm::SharedAtomic<std::uint64_t>));
  auto& seen = memory.as<shm::SharedAtomic<std::uint64_t>>();
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        auto out = make_out();
        meeting.wait_for_the_other();
        for (std::uint64_t i = 0; i < messages + kWarm; ++i) {
          out.send([](std::byte* data) {
            const std::uint64_t now = CycleClock::now();
            std::memcpy(data, &now, sizeof now);
          });
          while (seen.load_acquire() <= i) shm::spin_pause();
        }
        meeting.wait_for_the_other();
      },
      [&](Meeting& meeting) {
        auto in = make_in();
        std::vector<std::uint64_t> cycles;
        cycles.reserve(messages);
        meeting.wait_for_the_other();
        const CycleClock clock;
        for (std::uint64_t i = 0; i < messages + kWarm; ++i) {
          in.receive([&](std::span<const std::byte> message) {
            look_at(message, look);
            std::uint64_t sent = 0;
            std::memcpy(&sent, message.data(), sizeof sent);
            if (i >= kWarm) cycles.push_back(CycleClock::now() - sent);
          });
          seen.store_release(i + 1);
        }
        report(meeting, cycles, clock);
        meeting.wait_for_the_other();
      });
}

/// Memory of the process's own that it has just looked at.
Outcome warm_buffer(std::uint64_t looks, Look look) {
  const SharedMemory memory(kSize);
  return run_two_sides(
      Placement::processes, [](Meeting&) {},
      [&](Meeting& meeting) {
        std::vector<std::uint64_t> cycles;
        cycles.reserve(looks);
        const CycleClock clock;
        for (std::uint64_t i = 0; i < looks + kWarm; ++i) {
          const std::uint64_t before = CycleClock::now();
          look_at({memory.data(), kSize}, look);
          if (i >= kWarm) cycles.push_back(CycleClock::now() - before);
        }
        report(meeting, cycles, clock);
      });
}

class TopicSender {
 public:
  explicit TopicSender(std::unique_ptr<Writer> writer) noexcept : writer_(std::move(writer)) {}
  template <typename Fill>
  void send(Fill fill) {
    const LoanedBuffer loan = writer_->loan(kSize);
    if (loan.data == nullptr) throw RunFailed("no loan to be had");
    fill(loan.data);
    if (writer_->publish(loan, kSize, 0) != PublishResult::ok) throw RunFailed("a publication was refused");
  }

 private:
  std::unique_ptr<Writer> writer_;
};

class TopicReceiver {
 public:
  explicit TopicReceiver(std::unique_ptr<Reader> reader) noexcept : reader_(std::move(reader)) {}
  template <typename Use>
  void receive(Use use) {
    for (;;) {
      const auto message = reader_->take();
      if (!message) continue;
      use(std::span(message->data, message->size));
      reader_->release(*message);
      return;
    }
  }

 private:
  std::unique_ptr<Reader> reader_;
};

Outcome topic_views(Topics::Kind kind, std::uint64_t messages, Look look) {
  const Workplace place;
  const Topics topics(place, kind, kSize, depth_for(kSize));
  return views(
      messages, look, [&] { return TopicSender(topics.writer("ping")); },
      [&] { return TopicReceiver(topics.reader("ping")); });
}

#ifdef SLUICE_ICEORYX
Outcome iceoryx_views(std::uint64_t messages, Look look) {
  const IceoryxTopics topics(kSize);
  return views(
      messages, look, [&] { return topics.sender("ping"); }, [&] { return topics.receiver("ping"); });
}

Outcome iceoryx_latency(RoundTrips trips, std::size_t size) {
  const IceoryxTopics topics(size);
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        auto in = topics.receiver("pong");
        auto out = topics.sender("ping");
        ping(meeting, out, in, trips, By::copy, size);
      },
      [&](Meeting& meeting) {
        auto in = topics.receiver("ping");
        auto out = topics.sender("pong");
        pong(meeting, in, out, trips, By::copy, size);
      });
}
#endif

}  // namespace

void add_view_rows(Rows& rows, Effort effort) {
  for (const Look look : {Look::pages, Look::lines}) {
    const bool pages = look == Look::pages;
    const std::uint64_t messages = effort.of(pages ? 4'000 : 1'000);
    const auto add = [&](const char* name, const char* limit_name, std::function<Outcome()> limit,
                         std::function<Outcome()> measured, std::optional<double> goal) {
      rows.push_back({pages ? "4 MiB by loan, until its pages were touched" : "4 MiB by loan, until all was read", name,
                      limit_name, Unit::ns, std::move(limit), std::move(measured), goal});
    };
    const auto topic = [=](Topics::Kind kind) { return [=] { return topic_views(kind, messages, look); }; };
    const auto warm = [=] { return warm_buffer(messages, look); };
    std::function<Outcome()> iceoryx;
#ifdef SLUICE_ICEORYX
    iceoryx = [=] { return iceoryx_views(messages, look); };
#endif
    add("slick reliable", "warm buffer", warm, topic(Topics::Kind::reliable), 1.3);
    add("slick best_effort", "warm buffer", warm, topic(Topics::Kind::best_effort), 1.3);
    add("iceoryx", "warm buffer", warm, iceoryx, {});
    add("slick reliable, beside iceoryx", "iceoryx", iceoryx, topic(Topics::Kind::reliable), 1.0);
    add("slick best_effort, beside iceoryx", "iceoryx", iceoryx, topic(Topics::Kind::best_effort), 1.0);
  }
  const RoundTrips trips = effort.round_trips(50'000);
  std::function<Outcome()> iceoryx;
#ifdef SLUICE_ICEORYX
  iceoryx = [=] { return iceoryx_latency(trips, 64); };
#endif
  for (const Topics::Kind kind : {Topics::Kind::reliable, Topics::Kind::best_effort}) {
    rows.push_back({"iceoryx, latency of 64 B, spinning",
                    text(kind) + std::string(", 64 B"),
                    "iceoryx",
                    Unit::half_round_trip_ns,
                    iceoryx,
                    [=] { return topic_latency(kind, trips, By::copy, 64, Waiting::spinning); },
                    {}});
  }
}

}  // namespace sluice::bench
