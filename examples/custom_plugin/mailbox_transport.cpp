#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <vector>

#include <sluice/plugin.hpp>
#include <sluice/shm/unvalidated_copy.hpp>
#include <sluice/transport_options.hpp>

#include "mailbox_file.hpp"

namespace mailbox {

namespace {

/// What this transport promises; sluice-conformance holds it to that.
constexpr TransportTraits kTraits{.many_subscribers = true, .latest_value = true, .between_processes = true};

constexpr std::size_t kMostLoans = 64;

/// Private memory for messages, used again and again. Allocates only while more are in use than ever before.
class Buffers {
 public:
  explicit Buffers(std::size_t size) : size_(size) {
    all_.reserve(kMostLoans);
    free_.reserve(kMostLoans);
  }

  /// Whether there is one; then `top` and `pop` may be called.
  [[nodiscard]] bool available() noexcept {
    if (!free_.empty()) return true;
    if (all_.size() == kMostLoans) return false;
    auto* memory = new (std::nothrow) std::byte[size_ == 0 ? 1 : size_];
    if (memory == nullptr) return false;
    free_.push_back(all_.size());
    all_.emplace_back(memory);
    return true;
  }
  [[nodiscard]] std::byte* top() const noexcept { return all_[free_.back()].get(); }
  std::uint64_t pop() noexcept {
    const std::uint64_t handle = free_.back();
    free_.pop_back();
    return handle;
  }
  void give_back(std::uint64_t handle) noexcept { free_.push_back(handle); }

 private:
  std::size_t size_;
  std::vector<std::unique_ptr<std::byte[]>> all_;
  std::vector<std::uint64_t> free_;
};

/// The publisher. It alone writes `begun`, `published` and the slots.
///
/// Dying anywhere leaves `published` where it was, and the next publisher writes the same slot again. A reader that is
/// copying from that slot meanwhile finds in `begun` that the slot was touched.
class MailboxWriter final : public Writer {
 public:
  MailboxWriter(const TopicSpec& spec, const TransportContext& context, std::uint32_t slots)
      : file_(spec, context, slots), buffers_(file_.max_size()) {
    if (!file_.lock().try_lock_exclusive(kPublisherByte)) {
      throw Error("topic '" + spec.name +
                  "': there is a publisher already, and transport 'mailbox' has room for one; " +
                  "stop it, or use transport 'slick'");
    }
    id_ = file_.control().publishers.fetch_add_relaxed(1) + 1;
  }

  [[nodiscard]] LoanedBuffer loan(std::size_t bytes) noexcept override {
    if (bytes > file_.max_size()) return {.refused = PublishResult::too_large};
    if (!buffers_.available()) return {.refused = PublishResult::out_of_chunks};
    std::byte* const data = buffers_.top();
    return {data, file_.max_size(), buffers_.pop()};
  }

  void discard(const LoanedBuffer& loan) noexcept override { buffers_.give_back(loan.handle); }

  PublishResult publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept override {
    const PublishResult result = publish_copy({loan.data, used}, published_ns);
    discard(loan);
    return result;
  }

  PublishResult publish_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept override {
    if (payload.size() > file_.max_size()) return PublishResult::too_large;
    MailboxControl& control = file_.control();
    const std::uint64_t message = control.published.load_relaxed();
    control.begun.store_relaxed(message + 1);
    // SYNC begun→data: whoever reads any of what follows, fences and loads `begun`, sees that it was begun.
    shm::fence_release();
    Slot& slot = file_.slot(message);
    slot = {stats_.published, id_, published_ns, payload.size()};
    if (!payload.empty()) std::memcpy(&slot + 1, payload.data(), payload.size());
    // SYNC publish→take, and the full barrier between the publication and the look at the bell.
    control.published.exchange_seq_cst(message + 1);
    if (control.bell.waiting()) control.bell.ring();
    ++stats_.published;
    stats_.bytes += payload.size();
    return PublishResult::ok;
  }

  [[nodiscard]] std::uint32_t reader_count() const override {
    std::uint32_t count = 0;
    for (std::uint32_t k = 0; k < kMostReaders; ++k) count += file_.lock().held_by_other(reader_byte(k)) ? 1 : 0;
    return count;
  }
  [[nodiscard]] WriterStats stats() const noexcept override { return stats_; }
  [[nodiscard]] PublisherId id() const noexcept override { return id_; }

 private:
  MailboxFile file_;
  Buffers buffers_;
  PublisherId id_ = 0;
  WriterStats stats_;
};

/// A subscriber. Copies the newest message out, then makes sure that nobody wrote into it meanwhile.
class MailboxReader final : public Reader {
 public:
  MailboxReader(const TopicSpec& spec, const TransportContext& context, std::uint32_t slots)
      : file_(spec, context, slots), buffers_(file_.max_size()) {
    std::uint32_t k = 0;
    while (k < kMostReaders && !file_.lock().try_lock_exclusive(reader_byte(k))) ++k;
    if (k == kMostReaders) {
      throw Error("topic '" + spec.name + "': all " + std::to_string(kMostReaders) +
                  " places for subscribers are taken; stop one");
    }
    stats_.joined = next_ = file_.control().published.load_acquire();
  }

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override {
    const MailboxControl& control = file_.control();
    // Each round that fails is one in which the publisher wrote `slots` messages.
    for (int round = 0; round < 100; ++round) {
      const std::uint64_t published = control.published.load_acquire();
      if (published == next_ || !buffers_.available()) return std::nullopt;
      const Slot& slot = file_.slot(published - 1);
      Slot info{};
      shm::copy_unvalidated(&info, &slot, sizeof info);
      const std::size_t length = std::min<std::size_t>(info.length, file_.max_size());  // it may be torn, as yet
      shm::copy_unvalidated(buffers_.top(), &slot + 1, length);
      shm::fence_acquire();  // SYNC begun→data
      if (control.begun.load_relaxed() >= published + file_.slots()) continue;
      return deliver(published, info, length);
    }
    return std::nullopt;
  }

  void release(const TakenMessage& message) noexcept override { buffers_.give_back(message.handle); }
  [[nodiscard]] bool valid(const TakenMessage& /*message*/) const noexcept override { return true; }

  [[nodiscard]] std::optional<WaitFor> arm() noexcept override {
    const std::uint32_t value = file_.control().bell.arm();
    if (file_.control().published.load_acquire() != next_) return std::nullopt;
    return WaitFor{&file_.control().bell.word(), value, shm::kLongestSleep};
  }

  [[nodiscard]] std::uint32_t writer_count() const override {
    return file_.lock().held_by_other(kPublisherByte) ? 1 : 0;
  }

  [[nodiscard]] ReaderStats stats() const noexcept override {
    ReaderStats stats = stats_;
    stats.reserved = file_.control().published.load_acquire();
    stats.queued = stats.reserved - stats.joined - stats.received - stats.lost;
    return stats;
  }

 private:
  TakenMessage deliver(std::uint64_t published, const Slot& info, std::size_t length) noexcept {
    const std::uint64_t lost = published - next_ - 1;
    next_ = published;
    stats_.lost += lost;
    ++stats_.received;
    stats_.bytes += length;
    std::byte* const data = buffers_.top();
    return {data, length, {info.sequence, info.published_ns, info.publisher, lost}, buffers_.pop()};
  }

  MailboxFile file_;
  Buffers buffers_;
  std::uint64_t next_ = 0;  ///< The message that we have not seen.
  ReaderStats stats_;
};

class MailboxTransport final : public Transport {
 public:
  [[nodiscard]] std::string name() const override { return "mailbox"; }
  [[nodiscard]] TransportTraits traits(const TopicSpec& /*spec*/) const override { return kTraits; }
  void validate(const TopicSpec& spec) const override {
    OptionReader(spec).require_known({"slots"}, "transport 'mailbox'");
    (void)slots(spec);
  }

  [[nodiscard]] std::unique_ptr<Writer> open_writer(const TopicSpec& spec, const TransportContext& context) override {
    return std::make_unique<MailboxWriter>(spec, context, slots(spec));
  }
  [[nodiscard]] std::unique_ptr<Reader> open_reader(const TopicSpec& spec, const TransportContext& context) override {
    return std::make_unique<MailboxReader>(spec, context, slots(spec));
  }

  std::size_t remove_leftovers(const TransportContext& context) override {
    std::size_t removed = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(context.directory, error)) {
      const std::string path = entry.path().string();
      if (path.ends_with(".mailbox") && shm::remove_dead_segment(path, kKind, kLifetimeByte)) ++removed;
    }
    return removed;
  }

 private:
  static std::uint32_t slots(const TopicSpec& spec) { return OptionReader(spec).number("slots", 4, 2, 64); }
};

}  // namespace

}  // namespace mailbox

SLUICE_PLUGIN(mailbox::MailboxTransport, "mailbox", "1.0.0", "the latest message of one publisher, in shared memory",
              mailbox::kTraits);
