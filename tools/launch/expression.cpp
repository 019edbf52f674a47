#include "expression.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <sluice/error.hpp>

namespace sluice::launch {

namespace {

using Value = std::variant<bool, std::int64_t, double, std::string>;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return out;
}

/// As Python prints it: 2.0 and not 2.
std::string number_text(double number) {
  std::array<char, 32> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  std::string text(digits.data(), written.ptr);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

std::string as_text(const Value& value) {
  return std::visit(
      [](const auto& held) -> std::string {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, bool>) return held ? "true" : "false";
        if constexpr (std::is_same_v<Held, std::int64_t>) return std::to_string(held);
        if constexpr (std::is_same_v<Held, double>) return number_text(held);
        if constexpr (std::is_same_v<Held, std::string>) return held;
      },
      value);
}

std::string described(const Value& value) {
  if (std::holds_alternative<std::string>(value)) return "the text '" + as_text(value) + "'";
  return (std::holds_alternative<bool>(value) ? "the truth value " : "the number ") + as_text(value);
}

bool is_number(const Value& value) {
  return std::holds_alternative<std::int64_t>(value) || std::holds_alternative<double>(value);
}

double as_double(const Value& value) {
  const auto* whole = std::get_if<std::int64_t>(&value);
  return whole != nullptr ? static_cast<double>(*whole) : std::get<double>(value);
}

/// Absent: the result does not fit.
std::optional<std::int64_t> calculate_whole(std::string_view sign, std::int64_t left, std::int64_t right) {
  std::int64_t result = 0;
  if (sign == "+") return __builtin_add_overflow(left, right, &result) ? std::nullopt : std::optional(result);
  if (sign == "-") return __builtin_sub_overflow(left, right, &result) ? std::nullopt : std::optional(result);
  if (sign == "*") return __builtin_mul_overflow(left, right, &result) ? std::nullopt : std::optional(result);
  if (right == -1) return sign == "%" ? std::optional<std::int64_t>(0) : calculate_whole("-", 0, left);
  const bool down = left % right != 0 && (left < 0) != (right < 0);
  if (sign == "//") return left / right - (down ? 1 : 0);
  return left % right + (down ? right : 0);
}

double calculate(std::string_view sign, double left, double right) {
  if (sign == "+") return left + right;
  if (sign == "-") return left - right;
  if (sign == "*") return left * right;
  if (sign == "/") return left / right;
  if (sign == "//") return std::floor(left / right);
  return left - std::floor(left / right) * right;
}

bool holds(std::string_view sign, std::partial_ordering order) {
  if (sign == "==") return std::is_eq(order);
  if (sign == "!=") return std::is_neq(order);
  if (sign == "<") return std::is_lt(order);
  if (sign == "<=") return std::is_lteq(order);
  return sign == ">" ? std::is_gt(order) : std::is_gteq(order);
}

/// Reads and calculates at once: one function for each level of precedence, the weakest first.
class Evaluator {
 public:
  explicit Evaluator(std::string_view text) : text_(text) { advance(); }

  Value run() {
    Value value = disjunction();
    if (kind_ != Kind::end) fail("found '" + std::string(token_) + "' after the end of the expression");
    return value;
  }

 private:
  enum class Kind { end, number, text, word, sign };

  [[noreturn]] void fail(const std::string& message) const { fail_at(begin_, message); }
  [[noreturn]] void fail_at(std::size_t place, const std::string& message) const {
    throw Error(message + ", at character " + std::to_string(place + 1) + " of the expression '" + std::string(text_) +
                "'");
  }

  void advance() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    begin_ = at_;
    if (at_ == text_.size()) {
      kind_ = Kind::end;
      token_ = {};
      return;
    }
    const char c = text_[at_];
    if (c == '\'' || c == '"') return read_text(c);
    const auto is_part = [](char letter) {
      return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' || letter == '.';
    };
    if (is_part(c)) {
      while (at_ < text_.size() && (is_part(text_[at_]) || is_exponent_sign())) ++at_;
      token_ = text_.substr(begin_, at_ - begin_);
      kind_ = std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' ? Kind::word : Kind::number;
      return;
    }
    constexpr std::array<std::string_view, 15> kSigns{"==", "!=", "<=", ">=", "//", "<", ">", "+",
                                                      "-",  "*",  "/",  "%",  "(",  ")", ","};
    const auto* found = std::find_if(kSigns.begin(), kSigns.end(),
                                     [&](std::string_view sign) { return text_.substr(at_, sign.size()) == sign; });
    if (found == kSigns.end()) fail(std::string("'") + c + "' means nothing here");
    token_ = *found;
    kind_ = Kind::sign;
    at_ += token_.size();
  }

  // The sign in 1e-3, and not that in word-3.
  [[nodiscard]] bool is_exponent_sign() const {
    const bool number = std::isdigit(static_cast<unsigned char>(text_[begin_])) != 0 || text_[begin_] == '.';
    const char last = text_[at_ - (at_ > begin_ ? 1 : 0)];
    return number && (text_[at_] == '-' || text_[at_] == '+') && (last == 'e' || last == 'E');
  }

  void read_text(char quote) {
    read_.clear();
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      read_ += text_[at_];
    }
    if (at_ == text_.size()) fail(std::string("the quote ") + quote + " is not closed");
    ++at_;
    token_ = text_.substr(begin_, at_ - begin_);
    kind_ = Kind::text;
  }

  [[nodiscard]] bool sees_word(std::string_view word) const { return kind_ == Kind::word && token_ == word; }
  template <typename... Signs>
  [[nodiscard]] bool sees(Signs... signs) const {
    return kind_ == Kind::sign && ((token_ == signs) || ...);
  }

  [[nodiscard]] bool truth(const Value& value, std::size_t place, std::string_view of) const {
    if (const auto* truth = std::get_if<bool>(&value)) return *truth;
    if (const auto* number = std::get_if<std::int64_t>(&value); number != nullptr && (*number == 0 || *number == 1)) {
      return *number == 1;
    }
    fail_at(place, "'" + std::string(of) + "' needs true, 1, false or 0 and found " + described(value));
  }

  Value disjunction() {
    return junction("or", [this] { return conjunction(); });
  }
  Value conjunction() {
    return junction("and", [this] { return negation(); });
  }

  template <typename Operand>
  Value junction(std::string_view word, Operand&& operand) {
    std::size_t place = begin_;
    Value left = operand();
    while (sees_word(word)) {
      const bool first = truth(left, place, word);
      advance();
      place = begin_;
      const bool second = truth(operand(), place, word);
      left = word == "or" ? first || second : first && second;
    }
    return left;
  }

  Value negation() {
    if (!sees_word("not")) return comparison();
    const Depth deeper(*this);
    advance();
    const std::size_t place = begin_;
    return !truth(negation(), place, "not");
  }

  Value comparison() {
    Value left = sum();
    if (!sees("==", "!=", "<", "<=", ">", ">=")) return left;
    const auto sign = token_;
    const std::size_t place = begin_;
    advance();
    const Value right = sum();
    if (sees("==", "!=", "<", "<=", ">", ">=")) fail("comparisons do not chain; join them with 'and'");
    return holds(sign, compare(left, right, place));
  }

  [[nodiscard]] std::partial_ordering compare(const Value& left, const Value& right, std::size_t place) const {
    if (left.index() == right.index()) {
      return std::visit(
          [&](const auto& held) -> std::partial_ordering {
            return held <=> std::get<std::decay_t<decltype(held)>>(right);
          },
          left);
    }
    if (is_number(left) && is_number(right)) return as_double(left) <=> as_double(right);
    fail_at(place, described(left) + " cannot be compared with " + described(right) +
                       "; texts are in quotes, numbers and truth values are not");
  }

  Value sum() {
    Value left = product();
    while (sees("+", "-")) left = calculated(std::move(left), [this] { return product(); });
    return left;
  }

  Value product() {
    Value left = signed_value();
    while (sees("*", "/", "//", "%")) left = calculated(std::move(left), [this] { return signed_value(); });
    return left;
  }

  template <typename Operand>
  Value calculated(Value left, Operand&& operand) {
    const auto sign = token_;
    const std::size_t place = begin_;
    advance();
    const Value right = operand();
    auto* text = std::get_if<std::string>(&left);
    if (sign == "+" && text != nullptr && std::holds_alternative<std::string>(right)) {
      return std::move(*text) + std::get<std::string>(right);
    }
    for (const Value* side : {static_cast<const Value*>(&left), &right}) {
      if (!is_number(*side)) fail_at(place, "'" + std::string(sign) + "' cannot be used with " + described(*side));
    }
    const bool divides = sign == "/" || sign == "//" || sign == "%";
    if (divides && as_double(right) == 0) fail_at(place, "division by zero");
    const auto* whole_left = std::get_if<std::int64_t>(&left);
    const auto* whole_right = std::get_if<std::int64_t>(&right);
    if (sign != "/" && whole_left != nullptr && whole_right != nullptr) {
      if (const auto result = calculate_whole(sign, *whole_left, *whole_right)) return *result;
      fail_at(place, "the result does not fit in 64 bits");
    }
    return calculate(sign, as_double(left), as_double(right));
  }

  Value signed_value() {
    if (!sees("+", "-")) return primary();
    const Depth deeper(*this);
    const bool negative = token_ == "-";
    const std::size_t place = begin_;
    advance();
    Value value = signed_value();
    if (!is_number(value)) fail_at(place, "a sign cannot stand before " + described(value));
    if (!negative) return value;
    if (const auto* number = std::get_if<double>(&value)) return -*number;
    if (const auto result = calculate_whole("-", 0, std::get<std::int64_t>(value))) return *result;
    fail_at(place, "the result does not fit in 64 bits");
  }

  Value primary() {
    if (kind_ == Kind::end) fail("a value is missing");
    if (sees("(")) return parenthesis();
    Value value = literal();
    advance();
    return value;
  }

  Value parenthesis() {
    const Depth deeper(*this);
    const std::size_t place = begin_;
    advance();
    Value value = disjunction();
    if (kind_ == Kind::end) fail_at(place, "the parenthesis is not closed");
    if (!sees(")")) fail("expected ')' and found '" + std::string(token_) + "'");
    advance();
    return value;
  }

  [[nodiscard]] Value literal() const {
    if (kind_ == Kind::text) return read_;
    if (kind_ == Kind::number) return number();
    if (kind_ == Kind::sign) fail("expected a value and found '" + std::string(token_) + "'");
    const std::string word = lower(token_);
    if (word == "true" || word == "false") return word == "true";
    fail("unknown word '" + std::string(token_) + "'; a text needs quotes");
  }

  [[nodiscard]] Value number() const {
    const char* const end = token_.data() + token_.size();
    std::int64_t whole = 0;
    const auto [stop, error] = std::from_chars(token_.data(), end, whole);
    if (stop == end && error == std::errc{}) return whole;
    if (stop == end && error == std::errc::result_out_of_range) fail("the number does not fit in 64 bits");
    double number = 0;
    const auto [stop_here, trouble] = std::from_chars(token_.data(), end, number);
    if (stop_here == end && trouble == std::errc{}) return number;
    fail("'" + std::string(token_) + "' is not a number");
  }

  /// Recursion on a hostile expression must not end in a stack overflow.
  class Depth {
   public:
    explicit Depth(Evaluator& evaluator) : evaluator_(evaluator) {
      if (++evaluator_.depth_ > 64) evaluator_.fail("nested more than 64 deep");
    }
    ~Depth() { --evaluator_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    Evaluator& evaluator_;
  };

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;  ///< Where the token begins.
  Kind kind_ = Kind::end;
  std::string_view token_;
  std::string read_;  ///< The token's text without its quotes.
  int depth_ = 0;
};

}  // namespace

std::string evaluate_expression(std::string_view expression) { return as_text(Evaluator(expression).run()); }

}  // namespace sluice::launch
