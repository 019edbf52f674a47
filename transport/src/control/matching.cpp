#include "control/matching.hpp"

#include <algorithm>

namespace sluice::detail {

namespace {

bool are_counterparts(const EndpointInfo& ours, const EndpointInfo& theirs) {
  return ours.kind != theirs.kind && ours.topic == theirs.topic;
}

const EndpointInfo* counterpart(const OwnEndpoint& ours, const ProcessInfo& process) {
  const auto found = std::find_if(process.endpoints.begin(), process.endpoints.end(),
                                  [&](const EndpointInfo& theirs) { return are_counterparts(ours.info, theirs); });
  return found == process.endpoints.end() ? nullptr : &*found;
}

std::string name_of(const EndpointInfo& endpoint, const ProcessInfo& process) {
  return (endpoint.kind == EndpointKind::publisher ? "publisher " : "subscription ") + endpoint.node + " (" +
         process.executable + ", process " + std::to_string(process.pid) + ")";
}

void report_once(OwnEndpoint& ours, const std::string& message) {
  constexpr std::size_t kMostRemembered = 1000;  // of processes that come, do not fit, and go
  if (ours.reported.size() == kMostRemembered) ours.reported.clear();
  if (!ours.reported.insert(message).second) return;
  ours.report({TransportEvent::Kind::incompatible, ours.info.topic, message});
}

void compare(OwnEndpoint& ours, const EndpointInfo& theirs, const ProcessInfo& process) {
  if (!are_counterparts(ours.info, theirs)) return;
  const bool we_publish = ours.info.kind == EndpointKind::publisher;
  const auto found = we_publish ? mismatch(ours.info, theirs) : mismatch(theirs, ours.info);
  if (!found) return;
  report_once(ours, "topic '" + ours.info.topic + "' and " + name_of(theirs, process) + ": " +
                        (found->data_flows ? "" : "no data flows: ") + found->sentence);
}

/// Who subscribes to or publishes a topic that somebody could not open hears of it, too.
void tell_of_refused(OwnEndpoint& ours, const EndpointInfo& refused, const ProcessInfo& process) {
  if (refused.topic != ours.info.topic) return;
  report_once(ours, name_of(refused, process) + " could not join: " + refused.refused);
}

}  // namespace

void Matching::add(std::shared_ptr<OwnEndpoint> endpoint) {
  const std::lock_guard lock(mutex_);
  endpoints_.push_back(std::move(endpoint));
}

void Matching::remove(const OwnEndpoint* endpoint) {
  const std::lock_guard lock(mutex_);
  std::erase_if(endpoints_, [&](const auto& one) { return one.get() == endpoint; });
}

std::vector<std::shared_ptr<OwnEndpoint>> Matching::endpoints() const {
  const std::lock_guard lock(mutex_);
  return endpoints_;
}

bool Matching::concerns(const ProcessInfo& process) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(endpoints_.begin(), endpoints_.end(),
                     [&](const auto& ours) { return counterpart(*ours, process) != nullptr; });
}

std::chrono::nanoseconds Matching::lease(const ProcessInfo& process, std::chrono::nanoseconds otherwise) const {
  const std::lock_guard lock(mutex_);
  for (const auto& ours : endpoints_) {
    const auto& asked = ours->info.qos.liveliness_lease;
    if (asked && counterpart(*ours, process) != nullptr) otherwise = std::min(otherwise, *asked);
  }
  return otherwise;
}

std::optional<std::chrono::nanoseconds> Matching::shortest_liveliness() const {
  const std::lock_guard lock(mutex_);
  std::optional<std::chrono::nanoseconds> shortest;
  for (const auto& ours : endpoints_) {
    const auto& asked = ours->info.qos.liveliness_lease;
    if (asked && (!shortest || *asked < *shortest)) shortest = asked;
  }
  return shortest;
}

void Matching::find_mismatches(const ProcessInfo& process) {
  for (const auto& ours : endpoints()) {
    for (const EndpointInfo& theirs : process.endpoints) compare(*ours, theirs, process);
    for (const EndpointInfo& refused : process.refused) tell_of_refused(*ours, refused, process);
  }
}

namespace {

struct Publisher {
  const ProcessInfo* process;
  std::string node;
};

/// By record and node: two publishers of a node on one topic are alive or late together.
std::map<std::string, Publisher> publishers_of(const std::string& topic, const Matching::Processes& processes) {
  std::map<std::string, Publisher> found;
  processes([&](const ProcessInfo& process) {
    for (const EndpointInfo& endpoint : process.endpoints) {
      if (endpoint.kind != EndpointKind::publisher || endpoint.topic != topic) continue;
      found[process.record + " " + endpoint.node] = {&process, endpoint.node};
    }
  });
  return found;
}

void tell(OwnEndpoint& ours, const Matching::Processes& processes, const ProcessInfo* ended, Liveliness how) {
  std::function<void(const LivelinessEvent&)> call;
  {
    const std::lock_guard lock(ours.mutex);
    call = ours.on_liveliness;
  }
  if (!call) return;
  const auto now = publishers_of(ours.info.topic, processes);
  LivelinessEvent counts;
  counts.topic = ours.info.topic;
  for (const auto& [key, publisher] : now) {
    ++(publisher.process->liveliness == Liveliness::late ? counts.late : counts.alive);
  }
  for (auto known = ours.publishers.begin(); known != ours.publishers.end();) {
    if (now.contains(known->first)) {
      ++known;
      continue;
    }
    const std::size_t space = known->first.find(' ');
    LivelinessEvent event = counts;
    event.node = known->first.substr(space + 1);
    const bool died = ended != nullptr && ended->record == known->first.substr(0, space);
    event.liveliness = died ? how : Liveliness::left;
    if (died) event.pid = ended->pid;
    known = ours.publishers.erase(known);
    call(event);
  }
  for (const auto& [key, publisher] : now) {
    const Liveliness liveliness = publisher.process->liveliness;
    const auto [known, added] = ours.publishers.try_emplace(key, liveliness);
    if (!added && known->second == liveliness) continue;
    known->second = liveliness;
    LivelinessEvent event = counts;
    event.node = publisher.node;
    event.pid = publisher.process->pid;
    event.liveliness = liveliness;
    event.because = publisher.process->late_because;
    call(event);
  }
}

}  // namespace

void Matching::tell_liveliness(const Processes& processes) {
  for (const auto& ours : endpoints()) {
    if (ours->info.kind == EndpointKind::subscription) tell(*ours, processes, nullptr, Liveliness::left);
  }
}

void Matching::look_again(const ProcessInfo& process) const {
  for (const auto& ours : endpoints()) {
    const bool publishes = std::any_of(process.endpoints.begin(), process.endpoints.end(), [&](const auto& theirs) {
      return theirs.kind == EndpointKind::publisher && theirs.topic == ours->info.topic;
    });
    if (publishes && ours->info.kind == EndpointKind::subscription) ours->look_again();
  }
}

void Matching::tell_end(const ProcessInfo& process, Liveliness how, const Processes& processes) {
  for (const auto& ours : endpoints()) {
    if (ours->info.kind == EndpointKind::subscription) tell(*ours, processes, &process, how);
  }
}

}  // namespace sluice::detail
