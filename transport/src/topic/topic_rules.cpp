#include "topic/topic_rules.hpp"

#include <sluice/units.hpp>

#include <string>

namespace sluice::detail {

namespace {

bool is_set(const TopicSpec& spec, const std::string& key) { return spec.origins.count(key) != 0; }

[[noreturn]] void refuse(const TopicSpec& spec, std::string_view what, const std::string& key,
                         const std::string& message) {
  throw ConfigError(spec.origin(key), std::string{what} + ": " + message);
}

void check_history_fits(const TopicSpec& spec, std::string_view what) {
  if (spec.qos.history <= spec.qos.depth) return;
  const Origin depth = spec.origin("depth");
  refuse(spec, what, "history",
         "history " + std::to_string(spec.qos.history) + " is more than depth " + std::to_string(spec.qos.depth) +
             (depth.line == 0 ? " (" + depth.text() + ")" : " at " + depth.text()) + "; raise depth, or lower history");
}

}  // namespace

void check_contradictions(const TopicSpec& spec, std::string_view what) {
  if (is_set(spec, "max_blocking_time") && is_set(spec, "reliability") &&
      spec.qos.reliability == Reliability::best_effort) {
    refuse(spec, what, "max_blocking_time",
           "max_blocking_time " + format_duration(spec.qos.max_blocking_time) +
               " contradicts reliability: best_effort at " + spec.origin("reliability").text() +
               "; set reliability: reliable, or remove max_blocking_time");
  }
  if (is_set(spec, "history") && is_set(spec, "durability") && spec.qos.durability == Durability::volatile_) {
    refuse(spec, what, "history",
           "history " + std::to_string(spec.qos.history) + " contradicts durability: volatile at " +
               spec.origin("durability").text() + "; set durability: transient_local, or remove history");
  }
  if (is_set(spec, "history") && is_set(spec, "depth")) check_history_fits(spec, what);
}

void check_complete(const TopicSpec& spec, std::string_view what) {
  check_contradictions(spec, what);
  if (is_set(spec, "history") && !is_set(spec, "durability")) {
    refuse(spec, what, "history",
           "history " + std::to_string(spec.qos.history) +
               " has no effect with durability: volatile (default); set durability: transient_local, or remove it");
  }
  if (spec.qos.durability == Durability::transient_local && !is_set(spec, "history")) {
    refuse(spec, what, "durability",
           "durability: transient_local needs history, the number of messages for a late joiner; add history: 1");
  }
  check_history_fits(spec, what);
}

}  // namespace sluice::detail
