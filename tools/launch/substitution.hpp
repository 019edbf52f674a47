#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scope.hpp"

namespace sluice::launch {

/// Replaces every `$(name argument ...)`; `\$` is a literal dollar. Arguments are separated by spaces, may be quoted
/// with ' or " and may contain substitutions. Throws ConfigError at the place of `text`.
[[nodiscard]] std::string expand(const Text& text, const Scope& scope);

/// Splits like a shell (spaces, '..', "..", \x) and expands each word afterwards, also inside quotes. So a value with
/// spaces stays one word. A word that is nothing but unquoted substitutions and comes out empty is dropped, as in a
/// shell.
[[nodiscard]] std::vector<std::string> expand_words(const Text& text, const Scope& scope);

/// true, 1, false or 0 after expansion, in any case and with spaces around. `what` names the setting in the error.
[[nodiscard]] bool expand_bool(const Text& text, const Scope& scope, std::string_view what);

/// Quotes a word for display if a shell would not take it as it is.
[[nodiscard]] std::string shell_quoted(std::string_view word);

}  // namespace sluice::launch
