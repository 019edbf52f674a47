#include <algorithm>

#include "commands/doctor_checks.hpp"
#include "commands/doctor_topic.hpp"

namespace sluice::commands {

namespace {

/// The two ends, and what is known of the topic.
struct Pair {
  const TopicFacts& facts;
  const TopicEndpoint& publisher;
  const TopicEndpoint& subscription;

  [[nodiscard]] Finding finding(Severity severity, const std::string& cause, const std::string& sentence,
                                const std::string& remedy) const {
    return {severity, cause, name_of(publisher) + " -> " + name_of(subscription), sentence, remedy};
  }
};

using Found = std::optional<Finding>;

/// Which of the comparisons in mismatch() it was; in its order.
std::string cause_of_mismatch(const EndpointInfo& publisher, const EndpointInfo& subscription, bool data_flows) {
  if (data_flows) {
    const auto& asked = subscription.qos.deadline;
    const auto& offered = publisher.qos.deadline;
    return asked && (!offered || *offered > *asked) ? "deadline_differs" : "liveliness_differs";
  }
  if (publisher.transport != subscription.transport) return "transport_differs";
  if (publisher.medium != subscription.medium) return "file_differs";
  if (!publisher.type.empty() && !subscription.type.empty() && publisher.type != subscription.type) {
    return "type_differs";
  }
  const bool sizes = publisher.type_size != 0 && subscription.type_size != 0;
  return sizes && publisher.type_size != subscription.type_size ? "type_size_differs" : "layout_differs";
}

Found find_mismatch(const Pair& pair) {
  const auto found = mismatch(pair.publisher.info, pair.subscription.info);
  if (!found) return std::nullopt;
  const std::size_t end = found->sentence.rfind("; ");
  return pair.finding(found->data_flows ? Severity::degraded : Severity::blocked,
                      cause_of_mismatch(pair.publisher.info, pair.subscription.info, found->data_flows),
                      found->sentence.substr(0, end), end == std::string::npos ? "" : found->sentence.substr(end + 2));
}

Found find_separate_processes(const Pair& pair) {
  if (pair.publisher.info.transport != "inproc" || pair.publisher.process.record == pair.subscription.process.record) {
    return std::nullopt;
  }
  return pair.finding(Severity::blocked, "inproc_processes",
                      "transport 'inproc' carries messages within one process, and these are two",
                      "set 'transport: slick', or put both nodes into one process");
}

bool may_be_one_file(const MappedFile& a, const MappedFile& b) {
  if (a.current || b.current) return a.current && b.current;
  return std::any_of(a.candidates.begin(), a.candidates.end(),
                     [&](std::uint64_t inode) { return b.candidates.contains(inode); });
}

/// What a process has mapped under the name of a file tells whether it still is the file of that name.
Found find_replaced_file(const Pair& pair) {
  const auto& ours = pair.publisher.mapped;
  const auto& theirs = pair.subscription.mapped;
  if (!ours || !theirs) return std::nullopt;
  const std::string& path = pair.publisher.info.medium;
  if (!may_be_one_file(*ours, *theirs)) {
    const std::string behind = name_of(ours->current ? pair.subscription : pair.publisher);
    return pair.finding(Severity::blocked, "file_replaced",
                        "'" + path + "' was removed while in use and made anew, and " + behind + " has the old one",
                        "restart " + behind);
  }
  if (ours->current) return std::nullopt;
  return pair.finding(Severity::degraded, "file_removed",
                      "'" + path + "' was removed while in use, so nobody else can join these two",
                      "restart both; keep cleaners, 'rm' and systemd's RemoveIPC away from shared memory");
}

Found find_unusable_file(const Pair& pair) {
  const TopicMedium* medium = medium_of(pair.facts, pair.publisher);
  if (medium == nullptr || medium->problem.empty()) return std::nullopt;
  return pair.finding(Severity::blocked, "file_unusable", "'" + pair.publisher.info.medium + "': " + medium->problem,
                      "end the program that made it so, and remove it");
}

Found find_late(const Pair& pair, const TopicEndpoint& endpoint, const std::string& word) {
  if (endpoint.process.liveliness != Liveliness::late) return std::nullopt;
  return pair.finding(Severity::blocked, word + "_late",
                      "the " + word + "'s process " + std::to_string(endpoint.process.pid) + " (" +
                          endpoint.process.executable + ") is late: " + endpoint.process.late_because,
                      remedy_of_lateness(endpoint.process));
}

Found find_silence(const Pair& pair) {
  const TopicMedium* medium = medium_of(pair.facts, pair.publisher);
  if (pair.publisher.info.messages != 0 || (medium != nullptr && medium->foreign && !medium->empty)) {
    return std::nullopt;
  }
  return pair.finding(Severity::blocked, "nothing_published", "the publisher has published nothing yet",
                      "see what its node waits for");
}

/// A reliable publisher gives up for one reason only: somebody has not taken. Who takes nothing at all does not say how
/// much is unread, either.
Found find_timeouts(const Pair& pair) {
  const EndpointInfo& publisher = pair.publisher.info;
  const EndpointInfo& subscription = pair.subscription.info;
  if (publisher.timeouts == 0) return std::nullopt;
  const std::string sentence = std::to_string(publisher.timeouts) + " publications timed out";
  const std::string depth = std::to_string(subscription.qos.depth);
  if (subscription.messages == 0) {
    return pair.finding(Severity::degraded, "subscription_full",
                        sentence + " after " + std::to_string(publisher.messages) +
                            " messages that the subscription did not take, and depth is " + depth,
                        "see whether its node spins and what its callback waits for");
  }
  if (subscription.queued >= subscription.qos.depth) {
    return pair.finding(Severity::degraded, "subscription_full",
                        sentence + ": the subscription has " + std::to_string(subscription.queued) +
                            " messages unread, and depth is " + depth,
                        "make its callback faster, raise 'depth', or set 'reliability: best_effort'");
  }
  return pair.finding(Severity::degraded, "publisher_timed_out",
                      sentence + " for want of room; this subscription has " + std::to_string(subscription.queued) +
                          " messages unread now, and depth is " + depth,
                      "raise 'depth' or 'max_blocking_time' if it happens again");
}

Found find_nothing_received(const Pair& pair) {
  const std::uint64_t published = pair.publisher.info.messages;
  if (published == 0 || pair.subscription.info.messages != 0 || pair.publisher.info.timeouts != 0) return std::nullopt;
  return pair.finding(Severity::degraded, "nothing_received",
                      "the subscription has received none of the " + std::to_string(published) +
                          " messages published so far: it joined later, or does not take",
                      "see whether its node spins; 'durability: transient_local' gives late joiners the last messages");
}

Found find_lapped(const Pair& pair) {
  const EndpointInfo& subscription = pair.subscription.info;
  if (subscription.lost == 0) return std::nullopt;
  if (subscription.transport == "eshm") {
    return pair.finding(Severity::degraded, "subscription_lapped",
                        "the subscription was slower than the publisher, and " + std::to_string(subscription.lost) +
                            " messages were replaced unread: a channel holds one",
                        "set 'transport: slick' if it must have every message");
  }
  return pair.finding(Severity::degraded, "subscription_lapped",
                      "the subscription was too slow and lost " + std::to_string(subscription.lost) +
                          " messages, with a depth of " + std::to_string(subscription.qos.depth),
                      "make its callback faster, raise 'depth', or set 'reliability: reliable'");
}

Found find_deadlines_missed(const Pair& pair) {
  const std::uint64_t missed = pair.subscription.info.deadlines_missed;
  if (missed == 0) return std::nullopt;
  return pair.finding(Severity::degraded, "deadline_missed",
                      "for the subscription " + std::to_string(missed) + " deadlines passed without a message",
                      "publish more often, or raise 'deadline'");
}

Found find_namespaces(const Pair& pair) {
  const std::uint64_t ours = pair.publisher.process.pid_namespace;
  const std::uint64_t theirs = pair.subscription.process.pid_namespace;
  if (ours == 0 || theirs == 0 || ours == theirs) return std::nullopt;
  return pair.finding(Severity::flows, "pid_namespaces_differ",
                      "the two are in different PID namespaces, where the same number means different processes", "");
}

Found find_clocks(const Pair& pair) {
  if (pair.publisher.time_namespace == 0 || pair.subscription.time_namespace == 0 ||
      pair.publisher.time_namespace == pair.subscription.time_namespace) {
    return std::nullopt;
  }
  return pair.finding(Severity::degraded, "clocks_differ",
                      "the two are in different time namespaces: latencies between them mean nothing",
                      "start both in one time namespace");
}

}  // namespace

std::vector<Finding> diagnose_pair(const TopicFacts& facts, const TopicEndpoint& publisher,
                                   const TopicEndpoint& subscription) {
  const Pair pair{facts, publisher, subscription};
  std::vector<Finding> findings;
  for (const Found& found :
       {find_mismatch(pair), find_separate_processes(pair), find_replaced_file(pair), find_unusable_file(pair),
        find_late(pair, publisher, "publisher"), find_late(pair, subscription, "subscription"), find_silence(pair),
        find_timeouts(pair), find_nothing_received(pair), find_lapped(pair), find_deadlines_missed(pair),
        find_clocks(pair), find_namespaces(pair)}) {
    if (!found) continue;
    if (found->severity == Severity::blocked) return {*found};
    findings.push_back(*found);
  }
  if (findings.empty()) findings.push_back(pair.finding(Severity::flows, "flows", "", ""));
  return findings;
}

}  // namespace sluice::commands
