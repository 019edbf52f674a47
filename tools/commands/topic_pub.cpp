#include <unistd.h>

#include <cstdio>

#include <sluice/sluice.hpp>

#include "commands/commands.hpp"
#include "commands/payload_layout.hpp"
#include "commands/payload_text.hpp"

namespace sluice::commands {

namespace {

NodeOptions node_options(const Common& common) {
  NodeOptions options;
  options.config = Config::load_or_environment(common.config_files);
  return options;
}

std::vector<std::byte> payload_of(const TopicPubOptions& options) {
  if (options.layout.empty()) return payload_bytes(options.data, options.hex);
  return PayloadLayout(options.layout, alignment_of(options.packed)).bytes_of(options.data);
}

/// Whether the next message is to be sent: false after a signal.
bool pause_until(Node& node, std::int64_t due_ns) {
  const std::int64_t left = due_ns - shm::monotonic_ns();
  return left <= 0 ? !signal_received() : node.spin_for(std::chrono::nanoseconds{left});
}

}  // namespace

int topic_pub(const Common& common, const TopicPubOptions& options) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::vector<std::byte> payload = payload_of(options);
  Node node("sluice_pub_" + std::to_string(::getpid()), node_options(common));
  BytesPublisher publisher = node.advertise_bytes(options.topic, MessageType{options.type, 0});
  if (options.wait_for > 0) {
    std::printf("Waiting for at least %u matching subscription(s)...\n", options.wait_for);
    if (!publisher.wait_for_subscribers(options.wait_for, std::chrono::hours{24 * 365})) return 1;
  }
  const std::int64_t start = shm::monotonic_ns();
  std::uint64_t sent = 0;
  while (options.count == 0 || sent < options.count) {
    const auto due = start + static_cast<std::int64_t>(static_cast<double>(sent) * 1e9 / options.rate);
    if (!pause_until(node, due)) break;
    const PublishResult result = publisher.publish(payload);
    if (result != PublishResult::ok) {
      throw Error("topic '" + publisher.topic() + "': message " + std::to_string(sent + 1) +
                  " was not sent: " + publisher.explain(result, payload.size()));
    }
    ++sent;
    if (!options.quiet) std::printf("publishing #%llu\n", static_cast<unsigned long long>(sent));
  }
  return sent == 0 ? 1 : 0;
}

}  // namespace sluice::commands
