#include "conformance/suite.hpp"

#include <algorithm>
#include <utility>

namespace sluice::conformance {

Suite::Suite() {
  add_opening(*this);
  add_agreement(*this);
  add_delivery(*this);
  add_loans(*this);
  add_taking(*this);
  add_batches(*this);
  add_books(*this);
  add_reliability(*this);
  add_waiting(*this);
  add_processes(*this);
  add_deaths(*this);
  add_hot_path(*this);
}

void Suite::add(std::string name, std::string sentence, std::vector<Need> needs, std::function<void(Topic&)> check) {
  promises_.push_back({std::move(name), std::move(sentence), std::move(needs), std::move(check)});
}

const Promise* Suite::find(const std::string& name) const noexcept {
  const auto found = std::find_if(promises_.begin(), promises_.end(), [&](const Promise& p) { return p.name == name; });
  return found == promises_.end() ? nullptr : &*found;
}

bool needs(const Promise& promise, Need need) noexcept {
  return std::find(promise.needs.begin(), promise.needs.end(), need) != promise.needs.end();
}

namespace {

bool has_option(const Settings& settings, const std::string& key) {
  return std::any_of(settings.options.begin(), settings.options.end(), [&](const auto& o) { return o.first == key; });
}

/// Why `need` is not there; empty when it is.
std::string missing(Need need, const TransportTraits& traits, Reliability reliability, const Settings& settings) {
  const auto unless = [](bool there, const char* reason) { return there ? std::string{} : std::string{reason}; };
  switch (need) {
    case Need::many_publishers: return unless(traits.many_publishers, "needs the trait many_publishers");
    case Need::many_subscribers: return unless(traits.many_subscribers, "needs the trait many_subscribers");
    case Need::latest_value: return unless(traits.latest_value, "needs the trait latest_value");
    case Need::between_processes: return unless(traits.between_processes, "needs the trait between_processes");
    case Need::zero_copy: return unless(traits.zero_copy, "needs the trait zero_copy");
    case Need::transient_local: return unless(traits.transient_local, "needs the trait transient_local");
    case Need::either_reliability: return unless(traits.reliable, "needs the trait reliable");
    case Need::one_publisher: return unless(!traits.many_publishers, "has the trait many_publishers");
    case Need::one_subscriber: return unless(!traits.many_subscribers, "has the trait many_subscribers");
    case Need::queue: return unless(!traits.latest_value, "has the trait latest_value");
    case Need::own_format: return unless(!traits.foreign_peers, "has the trait foreign_peers");
    case Need::reliable_topic: return unless(reliability == Reliability::reliable, "the topic is best_effort");
    case Need::best_effort_topic: return unless(reliability == Reliability::best_effort, "the topic is reliable");
    case Need::any_size: return unless(settings.granularity == 1, "given --granularity");
    case Need::sized_elements: return unless(settings.granularity != 1, "needs --granularity");
    case Need::evict_after_given: return unless(has_option(settings, "evict_after"), "needs --option evict_after=TIME");
    case Need::wrong_option_given: return unless(!settings.wrong_options.empty(), "needs --wrong KEY=VALUE");
  }
  return {};
}

}  // namespace

std::string excluded_by(const Promise& promise, const TransportTraits& traits, Reliability reliability,
                        const Settings& settings) {
  for (const Need need : promise.needs) {
    std::string reason = missing(need, traits, reliability, settings);
    if (!reason.empty()) return reason;
  }
  return {};
}

}  // namespace sluice::conformance
