// bench_peer ROLE NAME COUNT: the C++ side of a run of `./dev bench python`; roles.py has the same roles in Python.
//
// Prints "ready" when everything is open, begins at the line "go" on standard input, and prints its figures as JSON.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <sluice/eshm/channel.hpp>
#include <sluice/slick/queue.hpp>
#include <sluice/sluice.hpp>

#include "harness/cycle_clock.hpp"

namespace bench {

/// As roles.py declares it.
struct Tick {
  std::uint64_t number;
  std::array<std::byte, 56> bytes;
};

constexpr std::size_t kImageSize = 5'000'000;
constexpr std::size_t kPage = 4096;
constexpr std::uint64_t kParts = 16;

struct Image {
  std::int64_t begun_ns;
  std::uint64_t number;
  std::array<std::byte, kImageSize - 16> pixels;
};

using namespace sluice;

void go() {
  std::puts("ready");
  std::fflush(stdout);
  std::string line;
  if (!std::getline(std::cin, line)) std::exit(1);
}

NodeOptions configured() {
  NodeOptions options;
  options.config = Config::load_or_environment({});
  return options;
}

void check(PublishResult result) {
  if (result != PublishResult::ok) throw std::runtime_error("a publication was refused");
}

void check_order(std::uint64_t number, std::uint64_t expected) {
  if (number == expected) return;
  throw std::runtime_error("number " + std::to_string(number) + " where " + std::to_string(expected) + " was due");
}

double percentile(std::vector<double> samples, double fraction) {
  if (samples.empty()) return 0;
  const auto rank = static_cast<std::ptrdiff_t>(fraction * static_cast<double>(samples.size() - 1));
  std::nth_element(samples.begin(), samples.begin() + rank, samples.end());
  return samples[static_cast<std::size_t>(rank)];
}

void print_times(const std::vector<double>& samples) {
  std::printf("{\"value\": %.1f, \"p99\": %.1f}\n", percentile(samples, 0.5), percentile(samples, 0.99));
}

/// Calls once(number) for each number below count, and prints the rate of the median of equal parts.
template <typename Once>
void print_rate(std::uint64_t count, Once once) {
  std::vector<double> rates;
  std::uint64_t number = 0;
  for (std::uint64_t part = 1; part <= kParts; ++part) {
    const std::uint64_t first = number;
    const std::int64_t begun = shm::monotonic_ns();
    for (; number < count * part / kParts; ++number) once(number);
    rates.push_back(1e9 * static_cast<double>(number - first) / static_cast<double>(shm::monotonic_ns() - begun));
  }
  std::printf("{\"value\": %.1f}\n", percentile(rates, 0.5));
}

/// Calls round_trip(number), and prints the halves of what each took.
template <typename RoundTrip>
void print_half_round_trips(std::uint64_t count, RoundTrip round_trip) {
  std::vector<double> cycles;
  const sluice::bench::CycleClock clock;
  for (std::uint64_t number = 0; number < count; ++number) {
    const std::uint64_t begun = clock.now();
    round_trip(number);
    cycles.push_back(static_cast<double>(clock.now() - begun) / 2);
  }
  for (double& sample : cycles) sample *= clock.ns_per_cycle();
  print_times(cycles);
}

template <typename T>
Message<T> next(Subscription<T>& subscription) {
  for (;;) {
    if (auto message = subscription.take()) return std::move(*message);
  }
}

void stream(const std::string& /*name*/, std::uint64_t count) {
  Node node("stream", configured());
  auto out = node.advertise<Tick>("ticks");
  go();
  Tick tick{};
  for (; tick.number < count; ++tick.number) check(out.publish(tick));
  std::puts("{}");
}

void drain(const std::string& /*name*/, std::uint64_t count) {
  Node node("drain", configured());
  auto in = node.subscribe<Tick>("ticks");
  go();
  print_rate(count, [&](std::uint64_t expected) { check_order(next(in)->number, expected); });
  check_order(in.stats().lost, 0);
}

void ping(const std::string& /*name*/, std::uint64_t count) {
  Node node("ping", configured());
  auto out = node.advertise<Tick>("ping");
  auto in = node.subscribe<Tick>("pong");
  go();
  print_half_round_trips(count, [&](std::uint64_t number) {
    check(out.publish(Tick{number, {}}));
    check_order(next(in)->number, number);
  });
}

void pong(const std::string& /*name*/, std::uint64_t count) {
  Node node("pong", configured());
  auto out = node.advertise<Tick>("pong");
  auto in = node.subscribe<Tick>("ping");
  go();
  for (std::uint64_t number = 0; number < count; ++number) check(out.publish(*next(in)));
  std::puts("{}");
}

/// Both ends sleep in between.
void ping_in_callback(const std::string& /*name*/, std::uint64_t count) {
  Node node("ping", configured());
  auto out = node.advertise<Tick>("ping");
  std::vector<double> samples;
  std::int64_t begun = 0;
  auto in = node.subscribe<Tick>("pong", [&](const Tick& tick) {
    samples.push_back(static_cast<double>(shm::monotonic_ns() - begun) / 2);
    check_order(tick.number, samples.size() - 1);
    if (samples.size() == count) return node.shutdown();
    begun = shm::monotonic_ns();
    check(out.publish(Tick{samples.size(), {}}));
  });
  go();
  begun = shm::monotonic_ns();
  check(out.publish(Tick{}));
  node.spin();
  print_times(samples);
}

void pong_in_callback(const std::string& /*name*/, std::uint64_t count) {
  Node node("pong", configured());
  auto out = node.advertise<Tick>("pong");
  auto in = node.subscribe<Tick>("ping", [&](const Tick& tick) {
    check(out.publish(tick));
    if (tick.number + 1 == count) node.shutdown();
  });
  go();
  node.spin();
  std::puts("{}");
}

/// Sends one image at a time: the next one when the other side has read this one.
template <typename Send>
void send_images(std::uint64_t count, Send send) {
  Node node("camera", configured());
  auto out = node.advertise<Image>("images");
  auto answers = node.subscribe<Tick>("seen");
  auto image = std::make_unique<Image>();
  go();
  for (std::uint64_t number = 0; number < count; ++number) {
    image->number = number;
    image->pixels.fill(static_cast<std::byte>(number));
    send(out, *image);
    check_order(next(answers)->number, number);
  }
  std::puts("{}");
}

void image(const std::string& /*name*/, std::uint64_t count) {
  send_images(count, [](Publisher<Image>& out, Image& image) {
    image.begun_ns = shm::monotonic_ns();
    check(out.publish(image));
  });
}

void image_in_loan(const std::string& /*name*/, std::uint64_t count) {
  send_images(count, [](Publisher<Image>& out, Image& image) {
    image.begun_ns = shm::monotonic_ns();
    auto loan = out.loan();
    std::memcpy(&*loan, &image, sizeof image);
    check(out.publish(std::move(loan)));
  });
}

/// The time of an image ends when a byte of each of its pages has been compared.
void view(const std::string& /*name*/, std::uint64_t count) {
  Node node("viewer", configured());
  auto in = node.subscribe<Image>("images");
  auto seen = node.advertise<Tick>("seen");
  go();
  std::vector<double> samples;
  for (std::uint64_t number = 0; number < count; ++number) {
    const auto image = next(in);
    check_order(image->number, number);
    for (std::size_t at = 0; at < image->pixels.size(); at += kPage) {
      check_order(std::to_integer<std::uint64_t>(image->pixels[at]), number & 0xff);
    }
    samples.push_back(static_cast<double>(shm::monotonic_ns() - image->begun_ns));
    check(seen.publish(Tick{number, {}}));
  }
  print_times(samples);
}

/// The queue is as long as the run, so that nothing is lost and nobody needs to pace the producer. Both sides have a
/// rate; that of the slower one counts.
std::uint32_t queue_size(std::uint64_t count) {
  std::uint32_t size = 1;
  while (size < count) size *= 2;
  return size;
}

void queue_write(const std::string& name, std::uint64_t count) {
  slick::Queue<Tick> queue(queue_size(count), name.c_str());
  go();
  print_rate(count, [&](std::uint64_t number) {
    const std::uint64_t index = queue.reserve();
    queue[index]->number = number;
    queue.publish(index);
  });
}

void queue_read(const std::string& name, std::uint64_t count) {
  slick::Queue<Tick> queue(queue_size(count), name.c_str());
  std::uint64_t cursor = 0;
  go();
  print_rate(count, [&](std::uint64_t expected) {
    for (;;) {
      if (const auto tick = queue.read_copy(cursor)) return check_order(tick->number, expected);
    }
  });
  check_order(queue.loss_count(), 0);
}

eshm::Channel open_channel(const std::string& name, eshm::Role role) {
  eshm::ChannelOptions options;
  options.role = role;
  options.attach_timeout = std::chrono::seconds{30};
  return eshm::Channel(name, options);
}

void read_channel(eshm::Channel& channel, Tick& tick, std::chrono::nanoseconds timeout) {
  for (;;) {
    const auto result = channel.read(std::as_writable_bytes(std::span(&tick, 1)), timeout);
    if (result.status == eshm::ReadStatus::nothing) continue;
    if (result.status == eshm::ReadStatus::ok && result.size == sizeof tick) return;
    throw std::runtime_error("a read of the channel failed");
  }
}

void write_channel(eshm::Channel& channel, const Tick& tick) {
  if (channel.write(std::as_bytes(std::span(&tick, 1))) == eshm::WriteStatus::ok) return;
  throw std::runtime_error("a write to the channel failed");
}

void drive(const std::string& name, std::uint64_t count) {
  eshm::Channel channel = open_channel(name, eshm::Role::master);
  go();
  print_rate(count, [&](std::uint64_t number) {
    const Tick tick{number, {}};
    Tick echo{};
    write_channel(channel, tick);
    read_channel(channel, echo, std::chrono::nanoseconds{0});
    if (std::memcmp(&tick, &echo, sizeof tick) != 0) throw std::runtime_error("a false echo");
  });
}

void echo(const std::string& name, std::uint64_t count) {
  eshm::Channel channel = open_channel(name, eshm::Role::slave);
  go();
  Tick tick{};
  for (std::uint64_t number = 0; number < count; ++number) {
    read_channel(channel, tick, std::chrono::nanoseconds{0});
    write_channel(channel, tick);
  }
  std::puts("{}");
}

const std::map<std::string, void (*)(const std::string&, std::uint64_t)> kRoles{
    {"stream", &stream},
    {"drain", &drain},
    {"ping", &ping},
    {"pong", &pong},
    {"ping_in_callback", &ping_in_callback},
    {"pong_in_callback", &pong_in_callback},
    {"image", &image},
    {"image_in_loan", &image_in_loan},
    {"view", &view},
    {"queue_write", &queue_write},
    {"queue_read", &queue_read},
    {"drive", &drive},
    {"echo", &echo},
};

}  // namespace bench

int main(int argc, char** argv) try {
  if (argc != 4 || !bench::kRoles.contains(argv[1])) {
    std::fputs("usage: bench_peer ROLE NAME COUNT, started by `./dev bench python`\n", stderr);
    return 2;
  }
  bench::kRoles.at(argv[1])(argv[2], std::strtoull(argv[3], nullptr, 10));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "bench_peer %s: %s\n", argv[1], error.what());
  return 1;
}
