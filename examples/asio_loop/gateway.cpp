#include <csignal>

#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <span>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <sluice/asio.hpp>
#include <sluice/sluice.hpp>

namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

struct Reading {
  std::uint64_t number;
  double celsius;
};

constexpr std::uint64_t kEnough = 20;

/// A sensor that publishes by a timer of the program's own loop.
class Sensor {
 public:
  Sensor(boost::asio::io_context& io, sluice::Node& node)
      : timer_(io), readings_(node.advertise<Reading>("temperature")) {}
  void run() {
    timer_.expires_after(2ms);
    timer_.async_wait([this](error_code error) {
      if (error) return;
      readings_.publish(Reading{++count_, 20.0 + 0.1 * static_cast<double>(count_)});
      run();
    });
  }
  void stop() { timer_.cancel(); }

 private:
  boost::asio::steady_timer timer_;
  sluice::Publisher<Reading> readings_;
  std::uint64_t count_ = 0;
};

/// What a server would send to its clients, from the same thread that serves them.
class Gateway {
 public:
  Gateway(boost::asio::io_context& io, sluice::Node& node)
      : readings_(io, node.subscribe<Reading>("temperature")), notes_(io, node.subscribe_bytes("notes")) {}

  void run(const std::function<void()>& enough) {
    take_reading(enough);
    take_note();
  }
  void stop() {
    readings_.close();  // the outstanding takes end with operation_aborted
    notes_.close();
  }

 private:
  void take_reading(const std::function<void()>& enough) {
    readings_.async_take([this, enough](error_code error, const sluice::Message<Reading>& reading) {
      if (error) return ended("temperature", error);
      if (reading->number == kEnough) {
        std::printf("reading %llu: %.1f degrees\n", static_cast<unsigned long long>(reading->number), reading->celsius);
        return enough();
      }
      take_reading(enough);
    });
  }
  void take_note() {
    notes_.async_take([this](error_code error, const sluice::BytesMessage& note) {
      if (error) return ended("notes", error);
      const auto bytes = note.bytes();
      std::printf("note: %.*s\n", static_cast<int>(bytes.size()), reinterpret_cast<const char*>(bytes.data()));
      take_note();
    });
  }
  static void ended(const char* topic, error_code error) {
    std::printf("%s: %s\n", topic,
                error == boost::asio::error::operation_aborted ? "stopped" : error.message().c_str());
  }

  sluice::AsyncSubscription<sluice::Subscription<Reading>> readings_;
  sluice::AsyncSubscription<sluice::BytesSubscription> notes_;
};

}  // namespace

int main(int argc, char** argv) try {
  auto options = sluice::NodeOptions::from_args(argc, argv);
  options.handle_signals = false;  // the loop has them
  sluice::Node node{"gateway", options};
  boost::asio::io_context io;
  Sensor sensor{io, node};
  Gateway gateway{io, node};
  boost::asio::signal_set signals{io, SIGINT, SIGTERM};

  const auto stop = [&] {
    sensor.stop();
    gateway.stop();
    signals.cancel();
  };
  signals.async_wait([&](error_code error, int) {
    if (!error) stop();
  });
  const std::string hello = "hello from the same loop";
  auto notes = node.advertise_bytes("notes");
  notes.publish(std::as_bytes(std::span(hello)));
  sensor.run();
  gateway.run(stop);
  io.run();  // until nothing is outstanding
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "gateway: %s\n", error.what());
  return 2;
}
