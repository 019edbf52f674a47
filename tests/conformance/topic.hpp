#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sluice/transport_registry.hpp>

#include "conformance/expect.hpp"
#include "conformance/payload.hpp"
#include "conformance/settings.hpp"

namespace sluice::conformance {

/// The topic under test, as one process sees it: what to open endpoints with.
class Topic {
 public:
  /// Of the promise settings.here in settings.directory.
  explicit Topic(const Settings& settings);

  TopicSpec spec;  ///< Promises change it before they open something.

  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  [[nodiscard]] TransportRegistry& registry() noexcept { return registry_; }
  [[nodiscard]] Transport& transport() { return registry_.get(spec.transport); }
  [[nodiscard]] TransportTraits traits() { return transport().traits(spec); }
  [[nodiscard]] TransportContext context() const { return {settings_.directory, {}}; }
  [[nodiscard]] std::unique_ptr<Writer> writer() { return transport().open_writer(spec, context()); }
  [[nodiscard]] std::unique_ptr<Reader> reader() { return transport().open_reader(spec, context()); }

  /// The size of an ordinary message: one position of the topic, and long enough for a Stamp.
  [[nodiscard]] std::size_t size() const noexcept { return settings_.granularity == 1 ? 64 : settings_.granularity; }

  /// The size of a long message of one position: what is overwritten while it is read should be met.
  [[nodiscard]] std::size_t long_size() const noexcept {
    return settings_.granularity == 1 ? settings_.max_size : settings_.granularity;
  }

  /// Marks a setting as one that was written down, at a place that errors then have to name.
  void write_down(const std::string& key) { spec.origins[key] = Origin{"conformance.yaml", 3, 7}; }
  void set_option(const std::string& key, const std::string& value) {
    spec.options[key] = {value, Origin{"conformance.yaml", 4, 9}};
  }
  /// Files and directories below the domain's directory.
  [[nodiscard]] std::vector<std::string> files() const;

 private:
  const Settings& settings_;
  TransportRegistry registry_;
};

/// Publishes numbered messages of one tag.
class Sender {
 public:
  Sender(Writer& writer, std::size_t size, std::uint64_t tag = 1);

  /// Sends the next number by loan and by copy in turns. A number that was not sent is used again.
  PublishResult send();
  /// Sends `count` messages, each of which must be ok.
  void send(std::uint64_t count, const std::source_location& where = std::source_location::current());
  [[nodiscard]] std::uint64_t sent() const noexcept { return next_; }

 private:
  Writer& writer_;
  std::uint64_t tag_;
  std::uint64_t next_ = 0;
  std::vector<std::byte> copy_;
};

/// Takes messages, requires that they are intact and in order, and keeps books of its own.
class Receiver {
 public:
  explicit Receiver(Reader& reader) : reader_(reader) {}

  /// The next message's stamp, after giving the message back; nothing if there is none.
  std::optional<Stamp> receive(const std::source_location& where = std::source_location::current());
  /// As receive, but keeps the message.
  std::optional<TakenMessage> hold(const std::source_location& where = std::source_location::current());
  /// Takes what is there.
  std::uint64_t receive_all();
  /// Sleeps until `count` messages were received in all since this object was made.
  void wait_for(std::uint64_t count, const std::source_location& where = std::source_location::current());
  /// The reader's books against ours, with nothing left in the queue, after `published` messages since it joined.
  void expect_books(std::uint64_t published, const std::source_location& where = std::source_location::current()) const;

  [[nodiscard]] ReaderStats books() const { return reader_.stats(); }
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
  /// The last number of a tag; nothing if no message of it came.
  [[nodiscard]] std::optional<std::uint64_t> last(std::uint64_t tag) const;

 private:
  Reader& reader_;
  std::uint64_t received_ = 0;
  std::uint64_t lost_ = 0;  ///< Sum of MessageInfo::lost.
  std::map<std::uint64_t, std::uint64_t> last_;
};

/// Sleeps as a reader that has armed itself does. False: nobody rang in time.
bool sleep(const WaitFor& wait);

/// Publishes one message and takes it: whatever was done before, the topic works.
void expect_alive(Topic& topic, Writer& writer, Reader& reader,
                  const std::source_location& where = std::source_location::current());

}  // namespace sluice::conformance
