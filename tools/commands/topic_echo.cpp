#include <unistd.h>

#include <cstdio>
#include <iostream>

#include <nlohmann/json.hpp>

#include "commands/interrupt.hpp"
#include "commands/observed_topic.hpp"
#include "commands/payload_text.hpp"

namespace sluice::commands {

namespace {

void write_raw(std::span<const std::byte> payload) {
  std::fwrite(payload.data(), 1, payload.size(), stdout);
  std::fflush(stdout);
}

nlohmann::json json_of(const TakenMessage& message, const std::string& data) {
  nlohmann::json json{{"sequence", message.info.sequence}, {"publisher", message.info.publisher},
                      {"published_ns", nullptr},           {"size", message.size},
                      {"lost", message.info.lost},         {"data", data}};
  if (message.info.published_ns != 0) json["published_ns"] = message.info.published_ns;
  return json;
}

}  // namespace

int topic_echo(const Common& common, const TopicEchoOptions& options) {
  if (!options.raw) std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const PayloadText text = payload_text(options.format);
  stop_on_signals();
  ObservedTopic topic(common, options.topic, Observed::messages);
  const auto end =
      options.timeout > 0
          ? shm::Deadline::after(std::chrono::nanoseconds{static_cast<std::int64_t>(options.timeout * 1e9)})
          : shm::Deadline::never();
  std::uint64_t received = 0;
  while (options.count == 0 || received < options.count) {
    const auto message = topic.next(end);
    if (!message) break;
    ++received;
    const std::span payload(message->data, message->size);
    if (message->info.lost != 0 && !common.json) {
      std::fprintf(stderr, "missed %llu messages\n", static_cast<unsigned long long>(message->info.lost));
    }
    if (options.raw) {
      write_raw(payload);
    } else if (common.json) {
      std::cout << json_of(*message, text(payload)).dump() << std::endl;
    } else {
      std::printf("%s\n---\n", text(payload).c_str());
    }
    topic.release(*message);
  }
  if (received == 0 && !end.is_never() && !interrupted()) {
    std::fprintf(stderr, "no message on '%s' within %g s\n", topic.name().c_str(), options.timeout);
  }
  return received == 0 ? 1 : 0;
}

}  // namespace sluice::commands
