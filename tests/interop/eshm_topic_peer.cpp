// Topics on ESHM channels at the table where eshm_peer.py sits on the other side: a node that publishes or takes, with
// eshm_peer.py's payload, log and lines of JSON. Of the library it uses what users have.

#include <fcntl.h>

#include <CLI/CLI.hpp>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include <sluice/shm/unique_fd.hpp>
#include <sluice/sluice.hpp>

#include "eshm_peer/message.hpp"
#include "queue_peer/run.hpp"

namespace {

using eshm_peer::Origin;
using queue_peer::Bounds;
using queue_peer::emit;

struct Options : queue_peer::Options {
  std::string config;
  std::string topic;
};

/// A record as eshm_log.py reads it. What was written is there after SIGKILL.
class Log {
 public:
  enum Kind : std::uint32_t { started = 1, completed = 2, read = 3, torn = 4 };

  explicit Log(const std::string& path) : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (!path.empty() && !file_.valid()) throw std::runtime_error("cannot write " + path);
  }

  void add(Kind kind, std::size_t size, Origin origin) const {
    if (!file_.valid()) return;
    const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
    const Record record{kind, static_cast<std::uint32_t>(size), origin.producer, origin.sequence, now};
    if (::write(file_.get(), &record, sizeof record) != sizeof record) throw std::runtime_error("cannot write the log");
  }

 private:
  struct Record {
    std::uint32_t kind;
    std::uint32_t size;
    std::uint64_t writer;
    std::uint64_t number;
    std::int64_t nanoseconds;
  };
  static_assert(sizeof(Record) == 32);
  sluice::shm::UniqueFd file_;
};

const char* name_of(sluice::TransportEvent::Kind kind) {
  switch (kind) {
    case sluice::TransportEvent::Kind::reliability_lost: return "reliability_lost";
    case sluice::TransportEvent::Kind::liveliness_lost: return "liveliness_lost";
    case sluice::TransportEvent::Kind::liveliness_gained: return "liveliness_gained";
    case sluice::TransportEvent::Kind::segment_replaced: return "segment_replaced";
    case sluice::TransportEvent::Kind::writer_interrupted: return "writer_interrupted";
    case sluice::TransportEvent::Kind::second_writer: return "second_writer";
    case sluice::TransportEvent::Kind::incompatible: return "incompatible";
  }
  return "?";
}

/// A line for each event of the node, in the thread that spins.
void listen(sluice::Node& node) {
  node.on_event([](const sluice::TransportEvent& event) {
    emit("heard", {{"kind", name_of(event.kind)}, {"topic", event.topic}, {"message", event.message}});
  });
}

int publish(sluice::Node& node, const Options& options, const Bounds& bounds) {
  auto publisher = node.advertise_bytes(options.topic);
  emit("ready", {{"pid", ::getpid()}});
  const Log log(options.log);
  std::vector<std::byte> message(options.n.second);
  const std::chrono::nanoseconds pause = queue_peer::nanoseconds(options.pause_ms / 1e3);
  std::uint64_t refused = 0;
  bounds.await_start();
  for (std::uint64_t number = 0; !options.count || number < *options.count; ++number) {
    bounds.check();
    if (bounds.stopped()) break;
    node.spin_for(pause);
    const Origin origin{options.producer, number};
    const std::size_t size = eshm_peer::message_size(options.seed, origin, options.n.first, options.n.second);
    const std::span<std::byte> bytes(message.data(), size);
    eshm_peer::fill(bytes, options.seed, origin);
    log.add(Log::started, size, origin);
    if (publisher.publish(bytes) == sluice::PublishResult::ok) {
      log.add(Log::completed, size, origin);
    } else {
      ++refused;
    }
  }
  while (options.count && !options.stop_file.empty() && !bounds.stopped()) {  // stays, silent
    bounds.check();
    node.spin_for(std::chrono::milliseconds{5});
  }
  const sluice::WriterStats stats = publisher.stats();
  emit("done", {{"published", stats.published}, {"bytes", stats.bytes}, {"timeouts", stats.timeouts}});
  return refused == 0 ? queue_peer::kSuccess : queue_peer::kUnsound;
}

/// What the subscription's callback does, and its own count of what the library's books should say.
class Taker {
 public:
  explicit Taker(const Options& options) : options_(options), log_(options.log) {}

  void take(std::span<const std::byte> bytes, const sluice::MessageInfo& info) {
    ++messages_;
    lost_before_ += info.lost;
    const auto origin = eshm_peer::read(bytes);
    log_.add(origin ? Log::read : Log::torn, bytes.size(), origin.value_or(Origin{}));
    if (!origin) ++torn_;
    passed_ += info.lost + 1;
    if (origin && origin->producer != 0) account(*origin);
    if (options_.pause_every != 0 && messages_ % options_.pause_every == 0) {
      std::this_thread::sleep_for(queue_peer::nanoseconds(options_.pause_ms / 1e3));
    }
  }

  /// Any thread.
  [[nodiscard]] std::uint64_t messages() const { return messages_; }
  [[nodiscard]] bool sound() const { return torn_ == 0 && disorder_ == 0 && miscounted_ == 0; }
  [[nodiscard]] nlohmann::json report(const sluice::ReaderStats& stats) const {
    return {{"messages", messages()},      {"lost_before", lost_before_}, {"torn", torn_},
            {"disorder", disorder_},       {"miscounted", miscounted_},   {"joined", stats.joined},
            {"completed", stats.reserved}, {"received", stats.received},  {"lost", stats.lost},
            {"queued", stats.queued}};
  }

 private:
  /// Between two messages of one writer there were exactly those whose numbers are missing, and short ones that bear no
  /// name.
  void account(Origin origin) {
    if (origin.producer == last_.producer) {
      if (origin.sequence <= last_.sequence) ++disorder_;
      if (origin.sequence != last_.sequence + passed_) ++miscounted_;
    }
    last_ = origin;
    passed_ = 0;
  }

  const Options& options_;
  Log log_;
  std::atomic<std::uint64_t> messages_{0};
  std::uint64_t lost_before_ = 0;
  std::uint64_t torn_ = 0;
  std::uint64_t disorder_ = 0;
  std::uint64_t miscounted_ = 0;
  Origin last_{};
  std::uint64_t passed_ = 0;  ///< Received and lost since it.
};

/// The node sleeps as any other does, so another thread looks for the end.
int take(sluice::Node& node, const Options& options, const Bounds& bounds) {
  Taker taker(options);
  const auto subscription = node.subscribe_bytes(
      options.topic,
      [&taker](std::span<const std::byte> bytes, const sluice::MessageInfo& info) { taker.take(bytes, info); });
  emit("ready", {{"pid", ::getpid()}});
  {
    const std::jthread watch([&](const std::stop_token& ended) {
      try {
        while (!ended.stop_requested() && !bounds.stopped() && !(options.count && taker.messages() >= *options.count)) {
          bounds.nap(std::chrono::milliseconds{50});
        }
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
  command.add_option("--seed", options.seed);
  command.add_option("--count", options.count, "messages");
  command.add_option("--pause-ms", options.pause_ms, "publish: before each message; take: see --pause-every");
  command.add_option("--timeout", options.timeout, "seconds, for everything");
  command.add_option("--stop-file", options.stop_file, "end when this file is there");
  command.add_option("--log", options.log, "eshm_log.py reads it");
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
  CLI::App app("Topics on ESHM channels in interoperability tests");
  Options options;
  app.require_subcommand(1);
  CLI::App& publisher = *app.add_subcommand("publish");
  add_common(publisher, options);
  publisher.add_option("--writer", options.producer, "1 to 65535");
  publisher.add_option("--sizes", options.n, "a:b, chosen by seed")->delimiter(':');
  publisher.add_option("--start-file", options.start_file, "open, then begin when this file is there");
  CLI::App& taker = *app.add_subcommand("take", "by a callback, in a node that sleeps");
  add_common(taker, options);
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
