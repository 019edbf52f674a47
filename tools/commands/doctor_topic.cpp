#include "commands/doctor_topic.hpp"

#include <algorithm>

#include <sluice/error.hpp>
#include <sluice/shm/access.hpp>

#include "commands/doctor_checks.hpp"

namespace sluice::commands {

namespace {

const char* word_of(EndpointKind kind) { return kind == EndpointKind::publisher ? "publisher" : "subscription"; }

std::string whom(const TopicEndpoint& endpoint) {
  return std::string(word_of(endpoint.info.kind)) + " " + name_of(endpoint);
}

bool is_about_rights(const std::string& refused) {
  return refused.find("Permission denied") != std::string::npos ||
         refused.find("may not be opened by this user") != std::string::npos;
}

Finding about_refused(const TopicFacts& facts, const TopicEndpoint& endpoint) {
  const std::string reason = "it could not be opened: " + endpoint.info.refused;
  const TopicMedium* medium = medium_of(facts, endpoint);
  if (medium == nullptr || !medium->exists || !is_about_rights(endpoint.info.refused)) {
    return {Severity::blocked, "refused", whom(endpoint), reason, "then restart it"};
  }
  return {Severity::blocked, "no_permission", whom(endpoint),
          reason + " (it runs as " + shm::user_text(endpoint.process.user) + ", and the file belongs to " +
              shm::user_text(medium->owner) + ", mode " + shm::mode_text(medium->mode) + ")",
          "set 'group' and 'mode' for all of the domain"};
}

Finding about_dead(const TopicEndpoint& endpoint) {
  return {Severity::blocked, std::string(word_of(endpoint.info.kind)) + "_dead", whom(endpoint),
          "its process " + std::to_string(endpoint.process.pid) + " (" + endpoint.process.executable +
              ") died without leaving",
          "start it again; 'sluice shm clean' removes what it left"};
}

Finding about_channel(const TopicEndpoint& endpoint, const TopicMedium& medium, const ChannelSide& other) {
  const std::string place = "'" + endpoint.info.medium + "'";
  const bool subscribes = endpoint.info.kind == EndpointKind::subscription;
  if (other.state == "never") {
    return {Severity::blocked, "eshm_peer_absent", whom(endpoint), "no " + other.role + " has ever been on " + place,
            "start the program that is its " + other.role};
  }
  const std::string peer = "the " + other.role + " of " + place + " (pid " + std::to_string(other.pid) + ")";
  if (other.state != "alive") {
    return {Severity::blocked, other.state == "stale" ? "eshm_peer_stale" : "eshm_peer_dead", whom(endpoint),
            peer + " is " + other.state + (other.state == "stale" ? ": its heartbeat stands still" : ""),
            other.state == "stale" ? "let it go on if it is stopped, or restart it" : "start it again"};
  }
  if (subscribes && medium.empty) {
    return {Severity::blocked, "nothing_published", whom(endpoint), peer + " has published nothing yet",
            "see what it waits for"};
  }
  return {Severity::flows, "foreign_peer", whom(endpoint), peer + " is on the other side", ""};
}

std::string names_of(const std::vector<slick::Mappers::Process>& processes) {
  std::string text;
  for (const auto& process : processes) {
    text += (text.empty() ? "" : ", ") + process.executable + " (process " + std::to_string(process.pid) + ")";
  }
  return text;
}

/// An endpoint that has no counterpart in the graph, but perhaps a program without Sluice.
Finding about_lonely(const TopicFacts& facts, const TopicEndpoint& endpoint) {
  const bool publishes = endpoint.info.kind == EndpointKind::publisher;
  const TopicMedium* medium = medium_of(facts, endpoint);
  if (medium != nullptr && !medium->problem.empty()) {
    return {Severity::blocked, "file_unusable", whom(endpoint), "'" + endpoint.info.medium + "': " + medium->problem,
            "end the program that made it so, and remove it"};
  }
  if (medium != nullptr) {
    const auto& other = publishes ? medium->subscribed : medium->publishing;
    if (other) return about_channel(endpoint, *medium, *other);
  }
  if (endpoint.process.liveliness == Liveliness::late) {
    return {Severity::blocked, std::string(word_of(endpoint.info.kind)) + "_late", whom(endpoint),
            "its process is late: " + endpoint.process.late_because, remedy_of_lateness(endpoint.process)};
  }
  if (medium != nullptr && endpoint.mapped && !endpoint.mapped->current) {
    return {Severity::blocked, medium->exists ? "file_replaced" : "file_removed", whom(endpoint),
            "'" + endpoint.info.medium + "' was removed " + (medium->exists ? "and made anew " : "") +
                "while it was in use, and it has the old one",
            "restart it; keep cleaners, 'rm' and systemd's RemoveIPC away from shared memory"};
  }
  if (medium != nullptr && medium->foreign && !medium->others.empty()) {
    const std::string sentence =
        names_of(medium->others) + ", not of this domain, has '" + endpoint.info.medium + "' open";
    if (!publishes && medium->empty) {
      return {Severity::blocked, "nothing_published", whom(endpoint), sentence + " and has published nothing yet",
              "see what it waits for"};
    }
    return {Severity::flows, "foreign_peer", whom(endpoint), sentence, ""};
  }
  return {Severity::blocked, publishes ? "no_subscription" : "no_publisher", whom(endpoint),
          publishes ? "nobody subscribes to the topic" : "nobody publishes on the topic",
          publishes ? "start a subscription; 'sluice topic echo " + facts.topic + "' shows what is published"
                    : "start a publisher in the same domain, or compare names with 'sluice topic list'"};
}

Finding about_unknown(const TopicFacts& facts) {
  const std::string near = nearest(facts.topic, facts.known);
  return {
      Severity::blocked, "unknown_topic", "topic " + facts.topic, "no process in '" + facts.domain + "' has it open",
      near.empty() ? "start its nodes, or say with --config, SLUICE_DOMAIN or SLUICE_RUNTIME_DIR which domain is meant"
                   : "did you mean '" + near + "'?"};
}

}  // namespace

std::string name_of(const TopicEndpoint& endpoint) {
  return endpoint.info.node + " (process " + std::to_string(endpoint.process.pid) + ")";
}

const TopicMedium* medium_of(const TopicFacts& facts, const TopicEndpoint& endpoint) {
  const auto found = facts.media.find(endpoint.info.medium);
  return found == facts.media.end() ? nullptr : &found->second;
}

std::vector<Finding> diagnose(const TopicFacts& facts) {
  std::vector<Finding> findings;
  for (const TopicEndpoint& endpoint : facts.refused) findings.push_back(about_refused(facts, endpoint));
  for (const TopicEndpoint& endpoint : facts.dead) findings.push_back(about_dead(endpoint));
  for (const TopicEndpoint& publisher : facts.publishers) {
    for (const TopicEndpoint& subscription : facts.subscriptions) {
      const auto between = diagnose_pair(facts, publisher, subscription);
      findings.insert(findings.end(), between.begin(), between.end());
    }
  }
  if (facts.subscriptions.empty()) {
    for (const TopicEndpoint& publisher : facts.publishers) findings.push_back(about_lonely(facts, publisher));
  }
  if (facts.publishers.empty()) {
    for (const TopicEndpoint& subscription : facts.subscriptions) findings.push_back(about_lonely(facts, subscription));
  }
  if (findings.empty()) findings.push_back(about_unknown(facts));
  return findings;
}

}  // namespace sluice::commands
