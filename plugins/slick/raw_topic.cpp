#include "slick/raw_topic.hpp"

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/transport_options.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace sluice::slick {

namespace {

/// Nobody rings for a foreign producer. Looking twice as often as promised keeps the promise (1 ms within 100 ms of
/// traffic, 10 ms at rest) when the scheduler is late.
constexpr std::chrono::microseconds kBusyPoll{500};
constexpr std::chrono::milliseconds kIdlePoll{5};
constexpr std::chrono::nanoseconds kBusyFor = std::chrono::milliseconds{100};

std::uint32_t elements_of(std::size_t bytes, std::uint32_t element_size) {
  return static_cast<std::uint32_t>((bytes + element_size - 1) / element_size);
}

std::size_t largest_message(const TopicSpec& spec, const RawRing& ring) {
  const std::size_t elements = std::min<std::uint64_t>(ring.capacity(), kMaxReservation);
  return std::min(std::max<std::size_t>(spec.max_size, ring.element_size()), elements * ring.element_size());
}

}  // namespace

bool is_raw(const TopicSpec& spec) { return spec.options.count("segment") != 0; }

RawOptions parse_raw_options(const TopicSpec& spec) {
  RawOptions options;
  const OptionReader reader(spec);
  options.request.name = reader.text("segment");
  try {
    (void)raw_path(options.request.name);
  } catch (const Error& error) {
    reader.refuse("segment", error.what());
  }
  if (!reader.has("element")) {
    reader.refuse("segment", "a raw topic needs 'element', the size of one element in bytes, e.g. 'element: 64'");
  }
  options.request.element_size = static_cast<std::uint32_t>(reader.size("element", 1, 1U << 30U));
  options.request.capacity = std::bit_ceil(std::max<std::uint32_t>(2, spec.qos.depth));
  options.request.capacity_required = spec.origins.count("depth") != 0;
  options.request.adopt = reader.boolean("adopt", true);
  options.hole_timeout = reader.duration("hole_timeout", options.hole_timeout);
  if (spec.type.fixed_size % options.request.element_size != 0) {
    reader.refuse("element", "type '" + spec.type.name + "' has " + std::to_string(spec.type.fixed_size) +
                                 " bytes, which is no whole number of elements of " +
                                 std::to_string(options.request.element_size) + " bytes");
  }
  return options;
}

RawWriter::RawWriter(const TopicSpec& spec, const RawOptions& options)
    : ring_(open_raw_segment(options.request)), max_size_(largest_message(spec, ring_)), loans_(max_size_) {}

PublishResult RawWriter::publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept {
  const PublishResult result = publish_copy({loan.data, used}, published_ns);
  discard(loan);
  return result;
}

PublishResult RawWriter::publish_copy(std::span<const std::byte> payload, std::int64_t /*published_ns*/) noexcept {
  if (payload.size() > max_size_) return PublishResult::too_large;
  if (payload.empty() || payload.size() % ring_.element_size() != 0) return PublishResult::wrong_size;
  const std::uint32_t n = elements_of(payload.size(), ring_.element_size());
  const std::uint64_t index = ring_.reserve(n);
  const std::size_t half = shm::kKillPoints ? payload.size() / 2 : 0;
  std::memcpy(ring_.element(index), payload.data(), half);
  SLUICE_KILL_POINT("raw.publish.half");
  std::memcpy(ring_.element(index) + half, payload.data() + half, payload.size() - half);
  SLUICE_KILL_POINT("raw.publish.copied");
  if (!ring_.publish(index, n)) {
    ++books_.uncertain;
    return PublishResult::uncertain;
  }
  ++books_.published;
  books_.bytes += payload.size();
  return PublishResult::ok;
}

RawReader::RawReader(const TopicSpec& /*spec*/, const RawOptions& options)
    : ring_(open_raw_segment(options.request)), hole_timeout_(options.hole_timeout) {
  cursor_.next = joined_ = ring_.reserved();
}

std::optional<TakenMessage> RawReader::take() noexcept {
  try {
    if (free_copies_.empty()) {
      copies_.emplace_back();
      free_copies_.push_back(copies_.size() - 1);
    }
    const std::uint64_t handle = free_copies_.back();
    std::vector<std::byte>& copy = copies_[handle];
    std::uint64_t index = 0;
    RawRing::Read result = ring_.read(cursor_, copy, index);
    if (result == RawRing::Read::pending) {
      give_up_hole_in_time();
      result = ring_.read(cursor_, copy, index);
    }
    if (result != RawRing::Read::message) {
      if (result == RawRing::Read::nothing) pending_since_ns_ = 0;
      return std::nullopt;
    }
    free_copies_.pop_back();
    pending_since_ns_ = 0;
    last_traffic_ns_ = 0;  // "now"; the clock is read when we next sleep
    received_ += copy.size() / ring_.element_size();
    bytes_ += copy.size();
    TakenMessage message{copy.data(), copy.size(), {index, 0, 0, cursor_.lost - lost_reported_}, handle};
    lost_reported_ = cursor_.lost;
    return message;
  } catch (const std::bad_alloc&) {
    return std::nullopt;  // the message stays; it is counted as lost when it is overwritten
  }
}

void RawReader::give_up_hole_in_time() noexcept {
  const std::int64_t now = shm::monotonic_ns();
  if (pending_since_ns_ == 0 || pending_at_ != cursor_.next) {
    pending_since_ns_ = now;
    pending_at_ = cursor_.next;
    return;
  }
  const bool waits_for_ever = hole_timeout_.count() == 0;
  if (waits_for_ever || now - pending_since_ns_ < hole_timeout_.count()) return;
  if (ring_.skip_hole(cursor_)) pending_since_ns_ = 0;
}

void RawReader::release(const TakenMessage& message) noexcept { free_copies_.push_back(message.handle); }

std::optional<WaitFor> RawReader::arm() noexcept {
  if (ring_.ready(cursor_)) return std::nullopt;
  const std::int64_t now = shm::monotonic_ns();
  if (last_traffic_ns_ == 0) last_traffic_ns_ = now;
  const bool busy = now - last_traffic_ns_ < kBusyFor.count();
  return WaitFor{nullptr, 0, busy ? std::chrono::nanoseconds{kBusyPoll} : std::chrono::nanoseconds{kIdlePoll}};
}

ReaderStats RawReader::stats() const noexcept {
  ReaderStats stats;
  stats.joined = joined_;
  // Counted on over resets. What was reserved before a reset and not read is gone from the format, and from the books;
  // until the reader has noticed the reset, `reserved` is behind its cursor.
  stats.reserved = cursor_.before_reset + std::max(ring_.reserved(), cursor_.next);
  stats.received = received_;
  stats.lost = cursor_.lost;
  stats.skipped = cursor_.skipped;
  stats.bytes = bytes_;
  stats.queued = stats.reserved - stats.joined - stats.received - stats.lost - stats.skipped;
  return stats;
}

}  // namespace sluice::slick
