#include "conformance/topic.hpp"

#include <filesystem>
#include <future>
#include <thread>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/doorbell.hpp>

namespace sluice::conformance {

std::string with_unique_word(std::string text, const std::string& directory) {
  const std::string mark = "{unique}";
  const std::string word = directory.substr(directory.rfind('-') + 1);
  for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark)) {
    text.replace(at, mark.size(), word);
  }
  return text;
}

Topic::Topic(const Settings& settings) : settings_(settings), registry_(settings.plugin_path) {
  spec.name = "/conformance/topic";
  spec.type.name = "conformance/Message";
  spec.transport = settings.transport;
  spec.qos.reliability = settings.reliabilities.front();
  spec.qos.depth = settings.depth;
  // Far beyond every watchdog: whoever loses a message by a timeout was stuck, and is told so by the watchdog.
  spec.qos.max_blocking_time = std::chrono::hours{1};
  spec.max_size = settings.max_size;
  for (const auto& [key, value] : settings.options) {
    // In all other promises a reader may hold things for long.
    if (key == "evict_after" && !settings.evicting) continue;
    set_option(key, with_unique_word(value, settings.directory));
  }
}

std::vector<std::string> Topic::files() const {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(settings_.directory)) {
    found.push_back(entry.path().string());
  }
  return found;
}

Sender::Sender(Writer& writer, std::size_t size, std::uint64_t tag) : writer_(writer), tag_(tag), copy_(size) {}

PublishResult Sender::send() {
  const std::int64_t now = shm::monotonic_ns();
  PublishResult result = PublishResult::ok;
  if (next_ % 2 == 0) {
    const LoanedBuffer loan = writer_.loan(copy_.size());
    expect(loan.data != nullptr, "a loan");
    compose({loan.data, copy_.size()}, tag_, next_);
    result = writer_.publish(loan, copy_.size(), now);
  } else {
    compose(copy_, tag_, next_);
    result = writer_.publish_copy(copy_, now);
  }
  // Readers may have what is uncertain, and no number may come twice.
  if (result == PublishResult::ok || result == PublishResult::uncertain) ++next_;
  return result;
}

void Sender::send(std::uint64_t count, const std::source_location& where) {
  for (std::uint64_t i = 0; i < count; ++i) expect_equal(send(), PublishResult::ok, "the result of publishing", where);
}

std::optional<TakenMessage> Receiver::hold(const std::source_location& where) {
  const auto message = reader_.take();
  if (!message) return std::nullopt;
  const auto stamp = inspect({message->data, message->size});
  expect(stamp.has_value(), "an intact message of " + std::to_string(message->size) + " bytes", where);
  const auto before = last(stamp->tag);
  expect(!before || stamp->number > *before,
         "rising numbers of one publisher, found " + std::to_string(stamp->number) + " after " +
             std::to_string(before.value_or(0)),
         where);
  last_[stamp->tag] = stamp->number;
  ++received_;
  lost_ += message->info.lost;
  return message;
}

std::optional<Stamp> Receiver::receive(const std::source_location& where) {
  const auto message = hold(where);
  if (!message) return std::nullopt;
  const auto stamp = inspect({message->data, message->size});
  reader_.release(*message);
  return stamp;
}

std::uint64_t Receiver::receive_all() {
  std::uint64_t count = 0;
  while (receive()) ++count;
  return count;
}

void Receiver::wait_for(std::uint64_t count, const std::source_location& where) {
  while (received_ < count) {
    if (receive(where)) continue;
    if (const auto wait = reader_.arm()) sleep(*wait);
  }
}

void Receiver::expect_books(std::uint64_t published, const std::source_location& where) const {
  const ReaderStats books = reader_.stats();
  expect_equal(books.reserved - books.joined, published, "positions since the reader joined", where);
  expect_equal(books.received, received_, "messages received, by the reader's books", where);
  expect_equal(books.lost, lost_, "messages lost, by the reader's books and by what each message told", where);
  expect_equal(books.queued, 0U, "messages queued", where);
  expect_equal(books.received + books.lost + books.skipped + books.queued, published,
               "received + lost + skipped + queued", where);
}

std::optional<std::uint64_t> Receiver::last(std::uint64_t tag) const {
  const auto found = last_.find(tag);
  return found == last_.end() ? std::nullopt : std::optional(found->second);
}

bool sleep(const WaitFor& wait) {
  if (wait.word == nullptr) {
    std::this_thread::sleep_for(wait.at_most);
    return true;
  }
  return shm::futex_wait(*wait.word, wait.expected, shm::Deadline::after(wait.at_most)) == shm::WaitResult::rung;
}

void expect_alive(Topic& topic, Writer& writer, Reader& reader, const std::source_location& where) {
  constexpr std::uint64_t kTag = 0xA11FE;
  // In another thread, for a reliable topic may be full of what was published before.
  auto publishing = std::async(std::launch::async, [&] {
    std::vector<std::byte> message(topic.size());
    compose(message, kTag, 7);
    return writer.publish_copy(message, 1);
  });
  for (;;) {
    if (const auto taken = reader.take()) {
      const auto stamp = inspect({taken->data, taken->size});
      reader.release(*taken);
      expect(stamp.has_value(), "an intact message", where);
      if (stamp->tag == kTag) break;
    } else if (const auto wait = reader.arm()) {
      sleep(*wait);
    }
  }
  expect_equal(publishing.get(), PublishResult::ok, "the result of publishing", where);
}

}  // namespace sluice::conformance
