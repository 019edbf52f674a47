#include <sluice/graph.hpp>
#include <sluice/units.hpp>

namespace sluice {

namespace {

using Duration = std::optional<std::chrono::nanoseconds>;

std::string text_of(const Duration& duration) { return duration ? format_duration(*duration) : "none"; }

Mismatch differ(const EndpointInfo& publisher, const EndpointInfo& subscription, const std::string& what,
                const std::string& here, const std::string& there, const std::string& remedy) {
  return {what + " is " + here + " at publisher " + publisher.node + ", and " + there + " at subscription " +
              subscription.node + "; " + remedy,
          false};
}

std::string quoted(const std::string& text) { return "'" + text + "'"; }

std::optional<Mismatch> medium_mismatch(const EndpointInfo& publisher, const EndpointInfo& subscription) {
  if (publisher.transport != subscription.transport) {
    return differ(publisher, subscription, "the transport", quoted(publisher.transport), quoted(subscription.transport),
                  "give both the same configuration");
  }
  if (publisher.medium != subscription.medium) {
    return differ(publisher, subscription, "the file that carries the topic", quoted(publisher.medium),
                  quoted(subscription.medium), "give both the same configuration");
  }
  return std::nullopt;
}

std::optional<Mismatch> type_mismatch(const EndpointInfo& publisher, const EndpointInfo& subscription) {
  if (!publisher.type.empty() && !subscription.type.empty() && publisher.type != subscription.type) {
    return differ(publisher, subscription, "the type", quoted(publisher.type), quoted(subscription.type),
                  "change one of them, or rename one of the topics");
  }
  if (publisher.type_size != 0 && subscription.type_size != 0 && publisher.type_size != subscription.type_size) {
    return differ(publisher, subscription, "the size of the type", std::to_string(publisher.type_size) + " bytes",
                  std::to_string(subscription.type_size) + " bytes", "build both with the same definition");
  }
  if (publisher.layout_hash != 0 && subscription.layout_hash != 0 &&
      publisher.layout_hash != subscription.layout_hash) {
    return differ(publisher, subscription, "the layout of the type", std::to_string(publisher.layout_hash),
                  std::to_string(subscription.layout_hash), "build both with the same definition");
  }
  return std::nullopt;
}

/// DDS's rule: what is offered is at most what is asked for.
std::optional<Mismatch> duration_mismatch(const EndpointInfo& publisher, const EndpointInfo& subscription,
                                          const std::string& key, const Duration& offered, const Duration& asked) {
  if (!asked || (offered && *offered <= *asked)) return std::nullopt;
  Mismatch mismatch = differ(publisher, subscription, key, text_of(offered), text_of(asked),
                             "give both the same configuration, or raise it at the subscription");
  mismatch.data_flows = true;
  return mismatch;
}

}  // namespace

std::optional<Mismatch> mismatch(const EndpointInfo& publisher, const EndpointInfo& subscription) {
  if (auto found = medium_mismatch(publisher, subscription)) return found;
  if (auto found = type_mismatch(publisher, subscription)) return found;
  if (auto found =
          duration_mismatch(publisher, subscription, "deadline", publisher.qos.deadline, subscription.qos.deadline)) {
    return found;
  }
  return duration_mismatch(publisher, subscription, "liveliness", publisher.qos.liveliness_lease,
                           subscription.qos.liveliness_lease);
}

}  // namespace sluice
