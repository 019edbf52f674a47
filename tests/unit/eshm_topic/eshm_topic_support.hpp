#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sluice/eshm/presence.hpp>
#include <sluice/eshm/segment.hpp>
#include <sluice/plugin.hpp>
#include <sluice/transport.hpp>

#include "support/temporary_directory.hpp"
#include "unit/eshm/eshm_support.hpp"

extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor;

namespace sluice::test {

/// What endpoints reported, in order, from whatever thread.
class Heard {
 public:
  [[nodiscard]] std::function<void(const TransportEvent&)> listener() {
    return [this](const TransportEvent& event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
    };
  }
  [[nodiscard]] std::vector<TransportEvent> all() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> texts;
    for (const TransportEvent& event : all()) texts.push_back(event.message);
    return texts;
  }
  /// Waits for so many; gives the texts that there are then.
  [[nodiscard]] std::vector<std::string> wait_for(std::size_t count) const {
    (void)eventually([&] { return all().size() >= count; });
    return texts();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<TransportEvent> events_;
};

/// One channel for messages of 64 bytes, and a topic on each of its mailboxes: "/bench/commands" is the master's,
/// "/bench/state" the slave's. Tests change `options` before they open endpoints.
struct ChannelBench {
  ChannelBench() : transport(sluice_plugin_descriptor.create()) { set("channel", channel.name()); }

  void set(const std::string& key, const std::string& value) { options[key] = {value, {"demo.yaml", 7, 5}}; }

  [[nodiscard]] TopicSpec topic(eshm::Side writer) const {
    TopicSpec spec;
    spec.transport = "eshm";
    spec.name = writer == eshm::Side::master ? "/bench/commands" : "/bench/state";
    spec.max_size = max_size;
    spec.qos = qos;
    spec.options = options;
    spec.options["direction"] = {writer == eshm::Side::master ? "master_to_slave" : "slave_to_master",
                                 {"demo.yaml", 8, 5}};
    return spec;
  }
  [[nodiscard]] TransportContext context() { return {directory.path(), access, heard.listener()}; }

  [[nodiscard]] std::unique_ptr<Writer> writer(eshm::Side side = eshm::Side::master) {
    return transport->open_writer(topic(side), context());
  }
  /// Of the topic that `writer` publishes.
  [[nodiscard]] std::unique_ptr<Reader> reader(eshm::Side writer = eshm::Side::master) {
    return transport->open_reader(topic(writer), context());
  }

  /// The segment as it is now; takes no locks. The test has made sure that there is one.
  [[nodiscard]] eshm::Segment look() const {
    eshm::SegmentRequest request;
    request.name = channel.name();
    request.max_size = max_size;
    return eshm::attach_segment(request).value();
  }

  ChannelName channel;
  TemporaryDirectory directory;
  std::unique_ptr<Transport> transport;
  std::map<std::string, TransportOption> options;
  QoS qos;
  shm::Access access;
  std::size_t max_size = 64;
  Heard heard;
};

inline PublishResult send(Writer& writer, const std::string& text) { return writer.publish_copy(bytes_of(text), 0); }

inline std::optional<std::string> receive(Reader& reader) {
  const auto message = reader.take();
  if (!message) return std::nullopt;
  std::string text(reinterpret_cast<const char*>(message->data), message->size);
  reader.release(*message);
  return text;
}

/// Sleeps as an executor does until the next message comes; nothing after the watchdog's time.
inline std::optional<std::string> await_message(Reader& reader) {
  std::optional<std::string> text;
  (void)eventually([&] { return (text = receive(reader)).has_value(); });
  return text;
}

/// The accounting equation, and that its parts are what the test expects.
inline bool books_are(const ReaderStats& stats, std::uint64_t received, std::uint64_t lost, std::uint64_t queued) {
  return stats.reserved - stats.joined == received + lost + queued && stats.received == received &&
         stats.lost == lost && stats.queued == queued && stats.skipped == 0;
}

}  // namespace sluice::test
