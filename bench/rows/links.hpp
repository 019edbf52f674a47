#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sluice/shm/doorbell.hpp>
#include <sluice/transport_registry.hpp>

#include "harness/two_sides.hpp"
#include "limits/payload.hpp"

/// What is measured, as harness/traffic.hpp wants it.
namespace sluice::bench {

/// A directory in shared memory and a raw segment's name, both gone with it.
class Workplace {
 public:
  Workplace();
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
  /// One of the two raw segments; distinct for every run of the bench.
  [[nodiscard]] std::string raw_name(const std::string& topic) const;
  /// Of an ESHM channel, as raw_name.
  [[nodiscard]] std::string channel_name() const { return raw_prefix_.substr(1) + "channel"; }

 private:
  std::string directory_;
  std::string raw_prefix_;
};

/// A topic of any transport, to be opened by the two sides.
class Topics {
 public:
  enum class Kind { reliable, best_effort, raw, raw_reliable, eshm, inproc };

  Topics(const Workplace& place, Kind kind, std::size_t max_size, std::uint32_t depth);

  [[nodiscard]] std::unique_ptr<Writer> writer(const std::string& name) const;
  [[nodiscard]] std::unique_ptr<Reader> reader(const std::string& name) const;

  /// Loads the transport's library: once, before anything is measured and anybody forks.
  static TransportRegistry& registry();

 private:
  [[nodiscard]] TopicSpec spec(const std::string& name) const;

  const Workplace& place_;
  Kind kind_;
  std::size_t max_size_;
  std::uint32_t depth_;
};

[[nodiscard]] const char* text(Topics::Kind kind) noexcept;

/// Whether nothing may be lost.
[[nodiscard]] bool is_complete(Topics::Kind kind) noexcept;

class WriterLink {
 public:
  explicit WriterLink(std::unique_ptr<Writer> writer) noexcept : writer_(std::move(writer)) {}

  void send_copy(std::span<const std::byte> payload) { check(writer_->publish_copy(payload, 0)); }
  void send_batch(std::span<const std::span<const std::byte>> payloads) {
    check(writer_->publish_batch(payloads, 0).result);
  }
  void send_filled(std::size_t size) {
    const LoanedBuffer loan = writer_->loan(size);
    if (loan.data == nullptr) throw RunFailed("no loan to be had");
    fill(loan.data, size, number_++);
    check(writer_->publish(loan, size, 0));
  }

 private:
  static void check(PublishResult result) {
    if (result != PublishResult::ok) throw RunFailed("a publication was refused");
  }

  std::unique_ptr<Writer> writer_;
  std::uint64_t number_ = 0;
};

class ReaderLink {
 public:
  explicit ReaderLink(std::unique_ptr<Reader> reader) noexcept : reader_(std::move(reader)) {}

  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    const auto message = reader_->take();
    if (!message) return std::nullopt;
    const std::uint64_t first = read_every_line(message->data, message->size);
    reader_->release(*message);
    return first;
  }

 protected:
  std::unique_ptr<Reader> reader_;
};

/// Takes up to `batch` messages at once.
class BatchReaderLink {
 public:
  BatchReaderLink(std::unique_ptr<Reader> reader, std::size_t batch) : reader_(std::move(reader)), taken_(batch) {}

  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    if (next_ == count_) {
      next_ = 0;
      count_ = reader_->take_batch(taken_);
      if (count_ == 0) return std::nullopt;
    }
    const TakenMessage& message = taken_[next_++];
    const std::uint64_t first = read_every_line(message.data, message.size);
    reader_->release(message);
    return first;
  }

 private:
  std::unique_ptr<Reader> reader_;
  std::vector<TakenMessage> taken_;
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

/// Sleeps until there is something to take, as a subscription without callback does in take_for.
class SleepingReaderLink : public ReaderLink {
 public:
  using ReaderLink::ReaderLink;

  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    for (;;) {
      if (const auto number = ReaderLink::try_receive()) return number;
      const auto wait = reader_->arm();
      if (!wait) continue;
      if (wait->word != nullptr) {
        shm::futex_wait(*wait->word, wait->expected, shm::Deadline::after(wait->at_most));
      } else {
        std::this_thread::sleep_for(wait->at_most);
      }
    }
  }
};

}  // namespace sluice::bench
