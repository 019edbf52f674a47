// Raw topics at the table where slick_peer.py sits on the other side: a node that publishes or takes, with
// slick_peer.py's options, logs and lines of JSON. Of the library it uses what users have.

#include <CLI/CLI.hpp>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include <sluice/sluice.hpp>

#include "queue_peer/run.hpp"

namespace {

using queue_peer::Bounds;
using queue_peer::emit;
using queue_peer::Log;
using queue_peer::nanoseconds;
using std::chrono::steady_clock;

struct Options : queue_peer::Options {
  std::string config;
  std::string topic;
};

/// A line for each event of the node, in the thread that spins.
void listen(sluice::Node& node) {
  node.on_event([](const sluice::TransportEvent& event) {
    const bool lost = event.kind == sluice::TransportEvent::Kind::reliability_lost;
    emit("heard",
         {{"kind", lost ? "reliability_lost" : "unknown"}, {"topic", event.topic}, {"message", event.message}});
  });
}

// A publisher is not told where its messages are: the log says index 0.
int publish(sluice::Node& node, const Options& options, const Bounds& bounds) {
  auto publisher = node.advertise_bytes(options.topic);
  emit("ready", {{"pid", ::getpid()}});
  Log log(options.log);
  std::vector<std::byte> message(std::size_t{options.n.second} * options.element);
  const std::chrono::nanoseconds pause = nanoseconds(options.pause_ms / 1e3);
  const std::uint64_t look_every = pause.count() == 0 ? 256 : 1;
  std::uint64_t refused = 0;
  std::uint64_t sequence = 0;
  bounds.await_start();
  for (; !options.count || sequence < *options.count; ++sequence) {
    if (sequence % look_every == 0) {
      bounds.check();
      if (bounds.stopped()) break;
      node.spin_for(pause);
    }
    const slick_peer::Origin origin{options.producer, sequence};
    const std::uint32_t size = slick_peer::message_size(options.seed, origin, options.n.first, options.n.second);
    const std::span<std::byte> bytes(message.data(), std::size_t{size} * options.element);
    slick_peer::fill_message(bytes, options.element, options.seed, origin);
    if (publisher.publish(bytes) != sluice::PublishResult::ok) {
      ++refused;
      continue;
    }
    log.message(0, size, origin, bytes);
    log.flush();
  }
  node.spin_for(std::chrono::nanoseconds{0});
  const sluice::WriterStats stats = publisher.stats();
  emit("done", {{"messages", stats.published},
                {"bytes", stats.bytes},
                {"timeouts", stats.timeouts},
                {"uncertain", stats.uncertain}});
  return refused == 0 ? queue_peer::kSuccess : queue_peer::kUnsound;
}

// What the subscription's callback does, and its own count of what the library's books should say.
class Taker {
 public:
  Taker(sluice::Node& node, const Options& options) : node_(node), options_(options), log_(options.log) {}

  void take(std::span<const std::byte> bytes, const sluice::MessageInfo& info) {
    account(bytes, info);
    ++messages_;
    if (options_.count && messages_ == *options_.count) node_.shutdown();
    if (options_.pause_every != 0 && messages_ % options_.pause_every == 0) {
      std::this_thread::sleep_for(nanoseconds(options_.pause_ms / 1e3));
    }
  }

  /// Any thread.
  [[nodiscard]] std::uint64_t messages() const { return messages_; }
  [[nodiscard]] bool sound() const {
    return torn_ == 0 && disorder_ == 0 && (!options_.count || messages_ == *options_.count);
  }
  [[nodiscard]] nlohmann::json report(const sluice::ReaderStats& stats) const {
    return {{"messages", messages()},      {"elements", elements_},
            {"lost_before", lost_before_}, {"torn", torn_},
            {"disorder", disorder_},       {"joined", stats.joined},
            {"reserved", stats.reserved},  {"received", stats.received},
            {"lost", stats.lost},          {"skipped", stats.skipped},
            {"queued", stats.queued},      {"bytes", stats.bytes},
            {"evictions", stats.evictions}};
  }

 private:
  void account(std::span<const std::byte> bytes, const sluice::MessageInfo& info) {
    const auto size = static_cast<std::uint32_t>(bytes.size() / options_.element);
    auto origin = slick_peer::read_message(bytes, options_.element);
    const auto& [smallest, largest] = options_.n;
    if (origin && options_.check_sizes && size != slick_peer::message_size(options_.seed, *origin, smallest, largest)) {
      origin.reset();
    }
    if (origin) {
      std::uint64_t& next = next_sequence_[origin->producer];
      if (origin->sequence < next) ++disorder_;
      next = origin->sequence + 1;
    } else {
      ++torn_;
    }
    elements_ += size;
    lost_before_ += info.lost;
    log_.message(info.sequence, size, origin, bytes);
    log_.flush();
  }

  sluice::Node& node_;
  const Options& options_;
  Log log_;
  std::atomic<std::uint64_t> messages_{0};
  std::uint64_t elements_ = 0;
  std::uint64_t lost_before_ = 0;
  std::uint64_t torn_ = 0;
  std::uint64_t disorder_ = 0;
  std::map<std::uint64_t, std::uint64_t> next_sequence_;
};

// Returns when the run is to end: the deadline, the stop file, or nothing for --until-idle.
void await_end(const Taker& taker, const Options& options, const Bounds& bounds, const std::stop_token& ended) {
  std::uint64_t seen = 0;
  steady_clock::time_point last = steady_clock::now();
  while (!ended.stop_requested() && !bounds.stopped()) {
    const steady_clock::time_point now = steady_clock::now();
    if (taker.messages() != seen) {
      seen = taker.messages();
      last = now;
    }
    if (options.until_idle && now - last > nanoseconds(*options.until_idle)) return;
    bounds.nap(std::chrono::milliseconds{2});
  }
}

// The node sleeps as any other does, so another thread looks for the end. What is unread when the stop file appears
// stays unread.
int take(sluice::Node& node, const Options& options, const Bounds& bounds) {
  Taker taker(node, options);
  const auto subscription = node.subscribe_bytes(
      options.topic,
      [&taker](std::span<const std::byte> bytes, const sluice::MessageInfo& info) { taker.take(bytes, info); });
  emit("ready", {{"pid", ::getpid()}});
  {
    const std::jthread watch([&](const std::stop_token& ended) {
      try {
        await_end(taker, options, bounds, ended);
      } catch (const queue_peer::TimedOut&) {
        // Said by whoever waits for the node.
      }
      node.shutdown();
    });
    node.spin();
  }
  bounds.check();
  emit("done", taker.report(subscription.stats()));
  return taker.sound() ? queue_peer::kSuccess : queue_peer::kUnsound;
}

void add_common(CLI::App& command, Options& options) {
  command.add_option("--config", options.config, "YAML file")->required();
  command.add_option("--topic", options.topic)->required();
  command.add_option("--element", options.element, "bytes");
  command.add_option("--seed", options.seed);
  command.add_option("--n", options.n, "elements a message, a:b, chosen by seed")
      ->delimiter(':')
      ->each([&options](const std::string&) { options.check_sizes = true; });
  command.add_option("--count", options.count, "messages");
  command.add_option("--pause-ms", options.pause_ms, "publish: before each message; take: see --pause-every");
  command.add_option("--timeout", options.timeout, "seconds, for everything");
  command.add_option("--stop-file", options.stop_file, "end when this file is there");
  command.add_option("--log", options.log, "one line a message: index size producer sequence crc");
}

int run(const std::string& command, const Options& options) {
  const Bounds bounds(options);
  sluice::NodeOptions node_options;
  node_options.config = sluice::Config::load({options.config});
  sluice::Node node(command + std::to_string(::getpid()), node_options);
  listen(node);
  return command == "publish" ? publish(node, options, bounds) : take(node, options, bounds);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Raw topics in interoperability tests");
  Options options;
  app.require_subcommand(1);
  CLI::App& publisher = *app.add_subcommand("publish");
  add_common(publisher, options);
  publisher.add_option("--producer", options.producer, "1 to 65535");
  publisher.add_option("--start-file", options.start_file, "open, then begin when this file is there");
  CLI::App& taker = *app.add_subcommand("take", "by a callback, in a node that sleeps");
  add_common(taker, options);
  taker.add_option("--until-idle", options.until_idle, "end when nothing came for so many seconds");
  taker.add_option("--pause-every", options.pause_every, "messages");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? queue_peer::kSuccess : queue_peer::kUsage;
  }
  try {
    return run(app.get_subcommands().front()->get_name(), options);
  } catch (const queue_peer::TimedOut&) {
    emit("error", {{"kind", "timeout"}, {"text", "not finished after " + std::to_string(options.timeout) + " s"}});
    return queue_peer::kTimedOut;
  } catch (const std::exception& error) {
    emit("error", {{"kind", "refused"}, {"text", error.what()}});
    return queue_peer::kRefused;
  }
}
