#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sluice/plugin.hpp>
#include <sluice/transport.hpp>

#include "slick/topic_file.hpp"
#include "slick/topic_reader.hpp"
#include "slick/topic_writer.hpp"
#include "support/temporary_directory.hpp"

extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor;

namespace sluice::test {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string text_of(const TakenMessage& message) {
  return {reinterpret_cast<const char*>(message.data), message.size};
}

/// A directory for topics, the transport, and a specification that tests change before they open endpoints.
struct TopicBench {
  explicit TopicBench(Reliability reliability = Reliability::best_effort, std::uint32_t depth = 8,
                      std::size_t max_size = 64)
      : transport(sluice_plugin_descriptor.create()) {
    spec.name = "/bench/topic";
    spec.qos.reliability = reliability;
    spec.qos.depth = depth;
    spec.max_size = max_size;
    spec.qos.max_blocking_time = std::chrono::milliseconds{0};
  }

  [[nodiscard]] TransportContext context() const { return {directory.path(), {}}; }
  [[nodiscard]] std::string path() const { return slick::topic_path(directory.path(), spec.name); }
  [[nodiscard]] bool file_exists() const { return ::access(path().c_str(), F_OK) == 0; }

  void set_option(const std::string& key, const std::string& value) {
    spec.options[key] = {value, {"demo.yaml", 7, 5}};
  }

  [[nodiscard]] std::unique_ptr<Writer> writer() const { return transport->open_writer(spec, context()); }
  [[nodiscard]] std::unique_ptr<Reader> reader() const { return transport->open_reader(spec, context()); }

  /// A third hold on the topic's file, to look at its words and to change them.
  [[nodiscard]] slick::TopicFile file() const {
    return slick::TopicFile::open(spec, slick::parse_topic_options(spec), context());
  }

  TemporaryDirectory directory;
  std::unique_ptr<Transport> transport;
  TopicSpec spec;
};

inline PublishResult send(Writer& writer, std::string_view text) { return writer.publish_copy(bytes_of(text), 0); }

/// As send, by another thread than the one that takes: for that one would be told that it waits for itself.
inline PublishResult send_elsewhere(Writer& writer, std::string_view text) {
  PublishResult result = PublishResult::ok;
  std::thread([&] { result = send(writer, text); }).join();
  return result;
}

/// Takes one message, checks nothing, gives it back.
inline std::optional<std::string> receive(Reader& reader) {
  const auto message = reader.take();
  if (!message) return std::nullopt;
  std::string text = text_of(*message);
  reader.release(*message);
  return text;
}

inline std::vector<std::string> receive_all(Reader& reader) {
  std::vector<std::string> all;
  while (auto text = receive(reader)) all.push_back(*text);
  return all;
}

/// The accounting equation, and that its parts are what the test expects.
inline bool books_are(const ReaderStats& stats, std::uint64_t received, std::uint64_t lost, std::uint64_t skipped,
                      std::uint64_t queued) {
  return stats.reserved - stats.joined == received + lost + skipped + queued && stats.received == received &&
         stats.lost == lost && stats.skipped == skipped && stats.queued == queued;
}

}  // namespace sluice::test
