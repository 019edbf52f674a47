#pragma once

#include <cstddef>
#include <string_view>

namespace sluice::detail {

/// What a name may have besides plain tokens.
struct NameForm {
  bool leading_slash = true;   ///< may begin with '/'
  bool private_names = false;  ///< may begin with '~'
  bool substitutions = false;  ///< may have {node} and the like
  bool wildcards = false;      ///< tokens may be '*' or '**'
};

/// Checks `name`. `what` begins the sentence: "topic name", "node name". Throws Error with the position and the rule.
void check_name(std::string_view what, std::string_view name, const NameForm& form);

/// Longest name, so that a name and a prefix still fit into a file name.
inline constexpr std::size_t kLongestName = 240;

}  // namespace sluice::detail
