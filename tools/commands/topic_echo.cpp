#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <optional>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>

#include "commands/interrupt.hpp"
#include "commands/observed_topic.hpp"
#include "commands/payload_layout.hpp"
#include "commands/payload_text.hpp"

namespace sluice::commands {

namespace {

void write_raw(std::span<const std::byte> payload) {
  std::fwrite(payload.data(), 1, payload.size(), stdout);
  std::fflush(stdout);
}

nlohmann::ordered_json json_of(const TakenMessage& message, const nlohmann::ordered_json& data) {
  nlohmann::ordered_json json{{"sequence", message.info.sequence}, {"publisher", message.info.publisher},
                              {"published_ns", nullptr},           {"size", message.size},
                              {"lost", message.info.lost},         {"data", data}};
  if (message.info.published_ns != 0) json["published_ns"] = message.info.published_ns;
  return json;
}

/// A payload by its layout, if that is known, else by its format.
class Shown {
 public:
  explicit Shown(const TopicEchoOptions& options) : text_(payload_text(options.format)) {
    if (!options.layout.empty()) layout_.emplace(options.layout, alignment_of(options.packed));
  }

  [[nodiscard]] std::string text(std::span<const std::byte> payload) const {
    return layout_ ? layout_->text_of(payload) : text_(payload) + "\n";
  }
  [[nodiscard]] nlohmann::ordered_json json(std::span<const std::byte> payload) const {
    return layout_ ? layout_->json_of(payload) : nlohmann::ordered_json(text_(payload));
  }

 private:
  PayloadText text_;
  std::optional<PayloadLayout> layout_;
};

void print(const TakenMessage& message, const Shown& shown, bool json, const std::string& topic) try {
  const std::span payload(message.data, message.size);
  if (json) {
    std::cout << json_of(message, shown.json(payload)).dump() << std::endl;
  } else {
    std::printf("%s---\n", shown.text(payload).c_str());
  }
} catch (const Error& error) {
  throw Error("topic '" + topic + "': " + error.what());
}

}  // namespace

int topic_echo(const Common& common, const TopicEchoOptions& options) {
  if (!options.raw) std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Shown shown(options);
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
      std::fprintf(stderr, "missed %llu %s\n", static_cast<unsigned long long>(message->info.lost), topic.unit());
    }
    if (options.raw) {
      write_raw(payload);
    } else {
      print(*message, shown, common.json, topic.name());
    }
    topic.release(*message);
  }
  if (received == 0 && !end.is_never() && !interrupted()) {
    std::fprintf(stderr, "no message on '%s' within %g s\n", topic.name().c_str(), options.timeout);
  }
  return received == 0 ? 1 : 0;
}

}  // namespace sluice::commands
