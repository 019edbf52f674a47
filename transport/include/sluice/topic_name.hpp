#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/export.hpp>

namespace sluice {

/// Names follow ROS 2: tokens of [A-Za-z0-9_] separated by '/', no token begins with a digit, no "//" and no "__", no
/// '/' at the end; "~" only first, for private names; {node}, {ns} and {name} are replaced. At most 240 characters.

/// A rule `from:=to`; both sides may be relative or private and are expanded like any name.
struct Remap {
  std::string from;  ///< The name in the program, or "__node" or "__ns".
  std::string to;    ///< What it becomes.
};

/// Parses "from:=to" ("__node:=name" and "__ns:=/ns" too). Throws Error for anything else.
[[nodiscard]] SLUICE_EXPORT Remap parse_remap(std::string_view text);

/// Checks a node name: one token. Throws Error naming the name, the position and the rule.
SLUICE_EXPORT void check_node_name(std::string_view name);

/// Checks and normalises a namespace: "" and "robot" become "/" and "/robot". Throws Error.
[[nodiscard]] SLUICE_EXPORT std::string normalize_namespace(std::string_view ns);

/// "/ns" + "node" -> "/ns/node".
[[nodiscard]] SLUICE_EXPORT std::string fully_qualified_node_name(std::string_view ns, std::string_view node);

/// Expands `name` for a node: "foo" -> "/ns/foo", "/foo" stays, "~/foo" -> "/ns/node/foo", then checks it. Throws
/// Error.
[[nodiscard]] SLUICE_EXPORT std::string expand_topic_name(std::string_view name, std::string_view ns,
                                                          std::string_view node);

/// Expands `name`, then applies the first rule whose expanded `from` equals it, as rcl does (the result is not remapped
/// again). Throws Error.
[[nodiscard]] SLUICE_EXPORT std::string resolve_topic_name(std::string_view name, std::string_view ns,
                                                           std::string_view node, const std::vector<Remap>& rules);

}  // namespace sluice
