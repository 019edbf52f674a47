#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sluice/shm/doorbell.hpp>
#include <sluice/slick/segment.hpp>
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

 private:
  std::string directory_;
  std::string raw_prefix_;
};

/// A topic of any transport, to be opened by the two sides.
class Topics {
 public:
  enum class Kind { reliable, best_effort, raw, inproc };

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

class WriterLink {
 public:
  explicit WriterLink(std::unique_ptr<Writer> writer) noexcept : writer_(std::move(writer)) {}

  void send_copy(std::span<const std::byte> payload) { check(writer_->publish_copy(payload, 0)); }
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

/// The SlickQueue ring's algorithm alone, without the plugin interface around it.
class RawRingLink {
 public:
  explicit RawRingLink(const slick::SegmentRequest& request)
      : segment_(slick::open_segment(request)), ring_(segment_.memory), copy_(request.element_size) {}

  void send_copy(std::span<const std::byte> payload) {
    const std::uint64_t index = ring_.reserve(1);
    std::memcpy(ring_.element(index), payload.data(), payload.size());
    if (!ring_.publish(index, 1)) throw RunFailed("overtaken in the middle of a publication");
  }

  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    slick::Ring::Message message;
    const auto copy = [this](const std::byte* data, std::size_t size) {
      std::memcpy(copy_.data(), data, std::min(size, copy_.size()));
    };
    if (ring_.read(cursor_, message, slick::Ring::Effort::slot_only, copy) != slick::Ring::Found::message) {
      return std::nullopt;
    }
    return read_every_line(copy_.data(), copy_.size());
  }

 private:
  slick::Segment segment_;
  slick::Ring ring_;
  slick::Ring::Cursor cursor_;
  std::vector<std::byte> copy_;
};

}  // namespace sluice::bench
