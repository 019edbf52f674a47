#include <sluice/topic_name.hpp>

#include <sluice/error.hpp>

#include <sluice/detail/quote.hpp>

#include "topic/topic_name_rules.hpp"

#include <algorithm>

namespace sluice {

namespace {

constexpr std::string_view kTopicName = "topic name";
constexpr detail::NameForm kWritten{.private_names = true, .substitutions = true};
constexpr detail::NameForm kExpanded{};
constexpr detail::NameForm kSingleToken{.leading_slash = false};

/// `ns` as a prefix: empty for the root, so that joining with '/' is always right.
std::string_view prefix(std::string_view ns) { return ns == "/" ? std::string_view{} : ns; }

/// "{ns}/x" in the root namespace is "/x" here; rcl makes "//x" of it and then refuses it.
std::string substitute(std::string_view name, std::string_view ns, std::string_view node) {
  std::string out;
  while (true) {
    const std::size_t open = name.find('{');
    out += name.substr(0, open);
    if (open == std::string_view::npos) return out;
    const std::size_t close = name.find('}', open);
    const std::string_view word = name.substr(open + 1, close - open - 1);
    out += word == "ns" || word == "namespace" ? prefix(ns) : node;
    name.remove_prefix(close + 1);
  }
}

std::string expand(std::string_view name, std::string_view ns, std::string_view node) {
  const bool is_private = name.starts_with('~');
  // The namespace stands here even when it is the root, and no '/' can be missing after it.
  const bool begins_with_namespace = name.starts_with("{ns}") || name.starts_with("{namespace}");
  std::string expanded = substitute(is_private ? name.substr(1) : name, ns, node);
  if (is_private) return fully_qualified_node_name(ns, node) + expanded;
  if (expanded.starts_with('/')) return expanded;
  return std::string{begins_with_namespace ? "" : prefix(ns)} + "/" + expanded;
}

/// A rule with one of the names that stand for the node itself.
void check_special_rule(std::string_view text, const Remap& rule) {
  if (rule.from == "__node") {
    check_node_name(rule.to);
  } else if (rule.from == "__ns") {
    if (!rule.to.starts_with('/')) {
      throw Error("remap rule " + detail::quote(text) + ": namespace " + detail::quote(rule.to) +
                  " must begin with '/', such as __ns:=/robot");
    }
    static_cast<void>(normalize_namespace(rule.to));
  } else {
    throw Error("remap rule " + detail::quote(text) + ": unknown name " + detail::quote(rule.from) +
                "; only __node and __ns begin with '__'");
  }
}

}  // namespace

Remap parse_remap(std::string_view text) {
  const std::size_t separator = text.find(":=");
  if (separator == std::string_view::npos) {
    throw Error("remap rule " + detail::quote(text) + ": no ':='; expected from:=to, such as chatter:=/news");
  }
  Remap rule{std::string{text.substr(0, separator)}, std::string{text.substr(separator + 2)}};
  if (rule.from.empty() || rule.to.empty()) {
    throw Error("remap rule " + detail::quote(text) + ": nothing " + (rule.from.empty() ? "before" : "after") +
                " ':='; expected from:=to, such as chatter:=/news");
  }
  if (rule.from.starts_with("__")) {
    check_special_rule(text, rule);
  } else {
    const std::string what = "remap rule " + detail::quote(text) + ": topic name";
    detail::check_name(what, rule.from, kWritten);
    detail::check_name(what, rule.to, kWritten);
  }
  return rule;
}

void check_node_name(std::string_view name) {
  const std::size_t slash = name.find('/');
  if (slash != std::string_view::npos) {
    throw Error("node name " + detail::quote(name) + ": '/' at position " + std::to_string(slash + 1) +
                " (a node name is one token; the namespace is given apart)");
  }
  detail::check_name("node name", name, kSingleToken);
}

std::string normalize_namespace(std::string_view ns) {
  if (ns.empty() || ns == "/") return "/";
  detail::check_name("namespace", ns, kExpanded);
  return (ns.starts_with('/') ? "" : "/") + std::string{ns};
}

std::string fully_qualified_node_name(std::string_view ns, std::string_view node) {
  return std::string{prefix(ns)} + "/" + std::string{node};
}

std::string expand_topic_name(std::string_view name, std::string_view ns, std::string_view node) {
  detail::check_name(kTopicName, name, kWritten);
  std::string expanded = expand(name, normalize_namespace(ns), node);
  // Two good halves can make a bad whole: "x_" + "_y", or more than the longest name.
  if (expanded != name) detail::check_name("topic name " + detail::quote(name) + " expanded to", expanded, kExpanded);
  return expanded;
}

std::string resolve_topic_name(std::string_view name, std::string_view ns, std::string_view node,
                               const std::vector<Remap>& rules) {
  std::string expanded = expand_topic_name(name, ns, node);
  const auto matches = [&](const Remap& rule) {
    return !rule.from.starts_with("__") && expand_topic_name(rule.from, ns, node) == expanded;
  };
  const auto rule = std::find_if(rules.begin(), rules.end(), matches);
  return rule == rules.end() ? expanded : expand_topic_name(rule->to, ns, node);
}

}  // namespace sluice
