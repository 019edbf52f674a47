#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <sluice/eshm/channel.hpp>
#include <sluice/eshm/mailbox.hpp>
#include <sluice/eshm/segment.hpp>

#include "support/child_process.hpp"

namespace sluice::test {

/// A channel's name; its file is gone again at the end of the test.
class ChannelName {
 public:
  ChannelName() {
    static unsigned count = 0;
    name_ = "sluice-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
  }
  ~ChannelName() { ::unlink(path().c_str()); }
  ChannelName(const ChannelName&) = delete;
  ChannelName& operator=(const ChannelName&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string path() const { return "/dev/shm/eshm_" + name_; }
  [[nodiscard]] bool exists() const { return ::access(path().c_str(), F_OK) == 0; }

 private:
  std::string name_;
};

inline std::vector<std::byte> bytes_of(const std::string& text) {
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

/// A mailbox in memory of this process, as in a segment of that protocol. Its words may be written by hand.
class OwnMailbox {
 public:
  explicit OwnMailbox(std::size_t max_size = 64, eshm::Protocol protocol = eshm::Protocol::v3)
      : words_(eshm::mailbox_bytes(max_size) / 8) {
    auto* const start = reinterpret_cast<std::byte*>(words_.data());
    memory_ = {reinterpret_cast<eshm::MailboxHead*>(start), start + sizeof(eshm::MailboxHead),
               reinterpret_cast<eshm::MailboxTail*>(start + eshm::mailbox_tail_offset(max_size)), max_size,
               protocol == eshm::Protocol::v3};
  }

  [[nodiscard]] const eshm::MailboxMemory& memory() const { return memory_; }
  [[nodiscard]] eshm::MailboxHead& head() { return *memory_.head; }
  [[nodiscard]] eshm::MailboxTail& tail() { return *memory_.tail; }
  [[nodiscard]] std::uint32_t sequence() const { return memory_.head->sequence.load_relaxed(); }
  [[nodiscard]] std::span<const std::byte> all_bytes() const { return std::as_bytes(std::span(words_)); }

  void write(const std::string& text) { eshm::MailboxWriter(memory_).write(bytes_of(text)); }

 private:
  std::vector<std::uint64_t> words_;
  eshm::MailboxMemory memory_;
};

/// A reader that gives texts.
struct TextReader {
  using Found = eshm::MailboxReader::Found;

  explicit TextReader(const OwnMailbox& mailbox, eshm::MailboxReader::From from = eshm::MailboxReader::From::next) {
    reader.start(mailbox.memory(), from);
  }

  /// One look; `text` is what it brought.
  Found take() {
    text.clear();
    return reader.take(
        [&](std::size_t size) {
          text.resize(size);
          return size <= room ? reinterpret_cast<std::byte*>(text.data()) : nullptr;
        },
        message);
  }

  /// completed - joined = received + conflated + what is new.
  [[nodiscard]] bool books_balance() const {
    const eshm::MailboxReader::Books& books = reader.books();
    return reader.completed() - books.joined == books.received + books.conflated + (reader.ready() ? 1U : 0U);
  }

  eshm::MailboxReader reader;
  eshm::MailboxReader::Message message;
  std::string text;
  std::size_t room = SIZE_MAX;
};

/// What a read of a channel brought.
struct Got {
  eshm::ReadStatus status = eshm::ReadStatus::nothing;
  std::string text;
  std::uint64_t conflated = 0;
};

inline Got read(eshm::Channel& channel, std::chrono::nanoseconds timeout = std::chrono::nanoseconds{0}) {
  std::vector<std::byte> buffer(channel.max_size());
  const eshm::ReadResult result = channel.read(buffer, timeout);
  return {result.status, std::string(reinterpret_cast<const char*>(buffer.data()), result.size), result.conflated};
}

inline eshm::WriteStatus write(eshm::Channel& channel, const std::string& text) {
  return channel.write(bytes_of(text));
}

}  // namespace sluice::test
