/// The input is an ESHM segment's file, as another program may have left it. It is looked at, attached to, read,
/// written and taken over; its mailboxes also in memory of exactly their size, because behind a mapping's last byte the
/// rest of the page may be touched unnoticed.
#include <memory>
#include <set>
#include <vector>

#include <sluice/error.hpp>
#include <sluice/eshm/channel.hpp>
#include <sluice/eshm/inspect.hpp>
#include <sluice/eshm/mailbox.hpp>
#include <sluice/eshm/segment.hpp>

#include "fuzz/input.hpp"
#include "fuzz/named_file.hpp"

namespace sluice::fuzz {
namespace {

using eshm::MailboxMemory;
using eshm::MailboxReader;
using eshm::Side;

constexpr std::uint64_t kLongest = 16384;  ///< Of a file; larger ones only take longer.
constexpr int kLooks = 4;

/// One look; what it brings is read to the last byte.
MailboxReader::Found take(MailboxReader& reader, const MailboxMemory& memory, std::vector<std::byte>& bytes) {
  std::unique_ptr<std::byte[]> exact;
  std::size_t asked = 0;
  MailboxReader::Message message;
  const auto found = reader.take(
      [&](std::size_t size) {
        demand(size <= memory.max_size, "a message fits into its mailbox");
        exact = std::make_unique<std::byte[]>(asked = size);
        return exact.get();
      },
      message);
  if (found != MailboxReader::Found::message) return found;
  demand(message.size == asked, "as much was copied as was asked for");
  touch(exact.get(), message.size);
  bytes.assign(exact.get(), exact.get() + message.size);
  return found;
}

/// Whatever lies there, a whole message that is written now is read.
void use_mailbox(const MailboxMemory& memory) {
  for (const auto from : {MailboxReader::From::first, MailboxReader::From::current, MailboxReader::From::next}) {
    MailboxReader reader;
    reader.start(memory, from);
    std::vector<std::byte> bytes;
    for (int look = 0; look < kLooks; ++look) (void)take(reader, memory, bytes);
    (void)reader.completed();
    (void)reader.arm();
    reader.disarm();
    const std::uint32_t last = memory.head->sequence.load_relaxed();
    const std::vector<std::byte> message(memory.max_size, std::byte{0x5A});
    eshm::MailboxWriter(memory).write(message);
    const bool wraps_to_baseline = (last | 1U) + 1 == 0;  // 2^31 writes at once
    const bool read = take(reader, memory, bytes) == MailboxReader::Found::message;
    demand(wraps_to_baseline || (read && bytes == message), "what is written whole is read whole");
    demand(wraps_to_baseline || take(reader, memory, bytes) == MailboxReader::Found::nothing, "and once");
  }
}

void use_copy(const MailboxMemory& memory) {
  const std::size_t tail = eshm::mailbox_tail_offset(memory.max_size);
  const std::size_t size = tail + sizeof(eshm::MailboxTail);
  const auto words = std::make_unique<std::uint64_t[]>((size + 7) / 8);
  auto* const start = reinterpret_cast<std::byte*>(words.get());
  std::memcpy(start, memory.head, size);
  use_mailbox({reinterpret_cast<eshm::MailboxHead*>(start), start + sizeof(eshm::MailboxHead),
               reinterpret_cast<eshm::MailboxTail*>(start + tail), memory.max_size, memory.wakes});
}

void attach(const std::string& name, std::size_t max_size) try {
  eshm::SegmentRequest request;
  request.name = name;
  request.max_size = max_size;
  request.patience = std::chrono::nanoseconds{0};
  const auto segment = eshm::attach_segment(request);
  if (!segment) return;
  demand(segment->mapping.size() == eshm::segment_bytes(max_size), "the size was checked");
  for (const Side side : {Side::master, Side::slave}) {
    use_copy(segment->mailbox(side));
    use_mailbox(segment->mailbox(side));
  }
} catch (const Error&) {
}

/// Nobody lives there: finding that out by the heartbeats is for the other tests, it takes long.
void bury(const NamedFile& file, std::uint32_t slave_alive) {
  const std::uint32_t alive[2] = {0, slave_alive};
  const std::uint32_t pids[2] = {0, 0};
  demand(::pwrite(file.fd(), pids, sizeof pids, 24) == sizeof pids &&
             ::pwrite(file.fd(), alive, sizeof alive, 32) == sizeof alive,
         "there is space in /dev/shm");
}

void open_channel(const std::string& name, eshm::Role role, std::size_t max_size) try {
  eshm::ChannelOptions options;
  options.role = role;
  options.max_size = max_size;
  options.heartbeat = false;
  options.attach_timeout = std::chrono::nanoseconds{0};
  options.first_read = eshm::FirstRead::current;
  eshm::Channel channel(name, options);
  std::vector<std::byte> buffer(max_size);
  for (int look = 0; look < kLooks; ++look) {
    const auto result = channel.try_read(buffer);
    demand(result.size <= max_size, "what is read fits");
  }
  demand(channel.write(buffer) == eshm::WriteStatus::ok, "writing never fails");
  (void)channel.stats();
} catch (const Error&) {
}

void use(const NamedFile& file, const std::string& name, const std::uint8_t* data, std::size_t size) {
  const auto again = [&](std::uint32_t slave_alive) {
    file.write(data, size, size);
    if (size >= sizeof(eshm::Header)) bury(file, slave_alive);
  };
  file.write(data, size, size);
  const eshm::ChannelInfo info = eshm::inspect_channel(name, std::chrono::nanoseconds{0});
  const std::uint8_t no_magic[sizeof eshm::kMagic] = {};
  const bool complete = size >= sizeof(eshm::Header) && std::memcmp(data, no_magic, sizeof no_magic) != 0;
  std::set<std::size_t> max_sizes{100, eshm::kDefaultMaxSize, info.max_sizes.least, info.max_sizes.most};
  for (const std::size_t max_size : max_sizes) {
    file.write(data, size, size);
    attach(name, max_size);
    if (!complete) continue;  // a channel waits for its creator
    again(0);
    open_channel(name, eshm::Role::slave, max_size);
    again(1);
    open_channel(name, eshm::Role::master, max_size);
    if (!file.named()) return;  // it was damaged, and replaced
  }
  again(0);
  (void)eshm::remove_dead_channel(file.path());
}

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::fuzz;
  if (size > kLongest) return 0;
  const NamedFile file("eshm_");
  use(file, file.name().substr(sizeof("/eshm_") - 1), data, size);
  return 0;
}
