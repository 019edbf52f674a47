// Our side of the table where slick_peer.py sits on the other: the same commands, options, logs and lines of JSON, on
// sluice::slick::UntypedQueue.
#include <CLI/CLI.hpp>

#include <sluice/error.hpp>

#include "run.hpp"

namespace queue_peer {
namespace {

using sluice::slick::QueueOptions;
using sluice::slick::UntypedQueue;

std::pair<std::uint32_t, std::uint32_t> parse_sizes(const std::string& text) {
  const auto colon = text.find(':');
  const auto smallest = static_cast<std::uint32_t>(std::stoul(text.substr(0, colon)));
  const auto largest =
      colon == std::string::npos ? smallest : static_cast<std::uint32_t>(std::stoul(text.substr(colon + 1)));
  if (smallest < 1 || largest < smallest) throw CLI::ValidationError("--n", "not a size or a:b: " + text);
  return {smallest, largest};
}

void add_common(CLI::App& command, Options& options) {
  command.add_option("--name", options.name, "of the shared memory object")->required();
  command.add_option("--capacity", options.capacity, "elements; create or open. Without it: open");
  command.add_option("--element", options.element, "bytes");
  command.add_option("--seed", options.seed);
  command.add_option("--timeout", options.timeout, "seconds, for everything");
  command.add_option("--start-file", options.start_file, "attach, then begin when this file is there");
  command.add_option("--stop-file", options.stop_file, "end when this file is there");
  command.add_option("--log", options.log, "one line a message: index size producer sequence crc");
}

void add_sizes(CLI::App& command, Options& options) {
  const auto set = [&options](const std::string& text) {
    options.n = parse_sizes(text);
    options.check_sizes = true;
  };
  command.add_option_function<std::string>("--n", set, "elements a message: fixed, or a:b chosen by seed");
}

void add_produce(CLI::App& app, Options& options) {
  CLI::App& command = *app.add_subcommand("produce");
  add_common(command, options);
  add_sizes(command, options);
  command.add_option("--producer", options.producer, "1 to 65535");
  command.add_option("--count", options.count);
  command.add_option("--rate", options.rate, "messages per second");
  command.add_option("--die-after-reserve", options.die_after_reserve,
                     "SIGKILL with this message reserved and unwritten");
}

void add_reader(CLI::App& command, Options& options) {
  add_common(command, options);
  add_sizes(command, options);
  command.add_option("--count", options.count, "end with so many messages");
  command.add_option("--until-idle", options.until_idle, "end when nothing came for so many seconds");
  command.add_option("--start", options.start, "index; of steal: for a cursor that is created");
  command.add_option("--hole-timeout", options.hole_timeout, "seconds; 0: never");
  command.add_option("--gaps", options.gaps, "one line a stretch not delivered: from to lost skipped");
  command.add_flag("--in-place,!--copy", options.in_place, "look at the message where it lies, then ask still_valid");
  command.add_flag("--unchecked", options.unchecked, "in place, and do not ask");
  command.add_flag("--spin", options.spin, "poll without sleeping");
  command.add_option("--pause-every", options.pause_every, "messages");
  command.add_option("--pause-ms", options.pause_ms);
  command.add_flag("--pause-inside", options.pause_inside, "with half of the message copied");
}

int hold(const Bounds& bounds) {
  while (!bounds.stopped()) bounds.nap(std::chrono::milliseconds{5});
  emit("done", nlohmann::json::object());
  return kSuccess;
}

int last(const UntypedQueue& queue) {
  const auto message = queue.read_last();
  nlohmann::json fields{{"found", message.has_value()}};
  if (message) {
    const std::span<const std::byte> bytes(queue.ring().element(message->index),
                                           std::size_t{message->size} * queue.element_size());
    const auto origin = slick_peer::read_message(bytes, queue.element_size());
    fields.update({{"index", message->index},
                   {"size", message->size},
                   {"producer", origin ? origin->producer : 0},
                   {"sequence", origin ? origin->sequence : 0}});
  }
  emit("done", fields);
  return kSuccess;
}

std::unique_ptr<UntypedQueue> attach(const Options& options) {
  QueueOptions wanted;
  wanted.hole_timeout = nanoseconds(options.hole_timeout);
  if (options.capacity == 0) return std::make_unique<UntypedQueue>(options.name, options.element, wanted);
  return std::make_unique<UntypedQueue>(options.capacity, options.element, options.name, wanted);
}

int run(const std::string& command, const Options& options) {
  const Bounds bounds(options);
  const auto queue = attach(options);
  emit("ready", {{"pid", ::getpid()},
                 {"capacity", queue->size()},
                 {"owner", queue->own_buffer()},
                 {"reserved", queue->initial_reading_index()},
                 {"tracks_last", queue->ring().memory().tracks_last_published}});
  if (command == "produce") return produce(*queue, options, bounds);
  if (command == "create") return hold(bounds);
  if (command == "last") return last(*queue);
  return consume(*queue, options, bounds);
}

}  // namespace
}  // namespace queue_peer

int main(int argc, char** argv) {
  using namespace queue_peer;
  CLI::App app("Our side of the table in interoperability tests");
  Options options;
  app.require_subcommand(1);
  add_common(*app.add_subcommand("create", "create or open, and hold until the stop file"), options);
  add_common(*app.add_subcommand("last", "the newest message"), options);
  add_produce(app, options);
  add_reader(*app.add_subcommand("consume", "with a private cursor"), options);
  CLI::App& steal = *app.add_subcommand("steal", "with a cursor that several processes share");
  add_reader(steal, options);
  steal.add_option("--cursor", options.cursor, "name of the shared cursor's object")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kSuccess : kUsage;
  }
  try {
    return run(app.get_subcommands().front()->get_name(), options);
  } catch (const TimedOut&) {
    emit("error", {{"kind", "timeout"}, {"text", "not finished after " + std::to_string(options.timeout) + " s"}});
    return kTimedOut;
  } catch (const std::exception& error) {
    emit("error", {{"kind", "refused"}, {"text", error.what()}});
    return kRefused;
  }
}
