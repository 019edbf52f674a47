#pragma once

#include <string>
#include <string_view>

namespace sluice::launch {

/// The value of an expression as text: that of `$(eval ...)`, with the operators and types of Python.
///
///     or   and   not   == != < <= > >=   + -   * / // %   - (sign)   ( )
///
/// Values are whole numbers (64 bits), numbers with a point, texts in ' or ", and true and false in any case. `/` gives
/// a number with a point, `//` rounds down, `+` also joins texts. Numbers are compared with numbers and texts with
/// texts only. Truth is printed as "true" and "false". Throws Error that shows the place in the expression.
[[nodiscard]] std::string evaluate_expression(std::string_view expression);

}  // namespace sluice::launch
