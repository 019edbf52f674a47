#include "commands/payload_layout.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>

namespace sluice::commands {

namespace {

using Kind = PayloadLayout::Kind;
using Field = PayloadLayout::Field;
using PayloadBytes = std::span<const std::byte>;

constexpr std::size_t kLargest = std::size_t{1} << 30U;  ///< As large as a message may be.

struct Word {
  const char* word;
  Kind kind;
  std::size_t size;
};

constexpr std::array kWords{
    Word{"u8", Kind::u8, 1},   Word{"u16", Kind::u16, 2}, Word{"u32", Kind::u32, 4},      Word{"u64", Kind::u64, 8},
    Word{"i8", Kind::i8, 1},   Word{"i16", Kind::i16, 2}, Word{"i32", Kind::i32, 4},      Word{"i64", Kind::i64, 8},
    Word{"f32", Kind::f32, 4}, Word{"f64", Kind::f64, 8}, Word{"bool", Kind::boolean, 1}, Word{"char", Kind::text, 1},
};

const Word& entry_of(Kind kind) {
  return *std::find_if(kWords.begin(), kWords.end(), [&](const Word& word) { return word.kind == kind; });
}

/// Reads the layout from left to right.
class Scanner {
 public:
  explicit Scanner(const std::string& text) : text_(text) {}

  [[nodiscard]] bool at_end() {
    skip_spaces();
    return at_ == text_.size();
  }

  bool accept(char letter) {
    if (at_end() || text_[at_] != letter) return false;
    ++at_;
    return true;
  }

  /// Letters, digits and underscores; remembers where they begin.
  std::string word() {
    skip_spaces();
    begin_ = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) {
      ++at_;
    }
    return text_.substr(begin_, at_ - begin_);
  }

  [[noreturn]] void fail(const std::string& sentence) const {
    throw Error("layout '" + text_ + "', column " + std::to_string(begin_ + 1) + ": " + sentence);
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    begin_ = at_;
  }

  const std::string& text_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;
};

Kind parse_kind(Scanner& scanner) {
  const std::string word = scanner.word();
  std::vector<std::string> words;
  std::string list;
  for (const Word& known : kWords) {
    if (word == known.word) return known.kind;
    words.emplace_back(known.word);
    list += (list.empty() ? "" : ", ") + words.back();
  }
  if (word.empty()) scanner.fail("a type is missing (" + list + ")");
  scanner.fail("there is no type '" + word + "'" + did_you_mean(word, words) + " (" + list + ")");
}

std::size_t parse_count(Scanner& scanner, const std::string& name) {
  const std::string digits = scanner.word();
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (error != std::errc{} || end != digits.data() + digits.size() || count == 0 || count > kLargest) {
    scanner.fail("field '" + name + "': '" + digits + "' is no number of elements; give one from 1 to " +
                 std::to_string(kLargest));
  }
  if (!scanner.accept(']')) scanner.fail("field '" + name + "': ']' is missing");
  return count;
}

Field parse_field(Scanner& scanner, const std::vector<Field>& before) {
  Field field;
  field.kind = parse_kind(scanner);
  field.name = scanner.word();
  const bool named = !field.name.empty() && std::isdigit(static_cast<unsigned char>(field.name.front())) == 0;
  if (!named) scanner.fail("behind '" + word_of(field.kind) + "' the field's name is missing");
  if (std::any_of(before.begin(), before.end(), [&](const Field& other) { return other.name == field.name; })) {
    scanner.fail("there are two fields '" + field.name + "'");
  }
  field.array = scanner.accept('[');
  if (field.array) field.count = parse_count(scanner, field.name);
  if (!scanner.at_end() && !scanner.accept(';')) scanner.fail("behind field '" + field.name + "' ';' is missing");
  return field;
}

/// Puts the fields behind each other; how many bytes that takes.
std::size_t arrange(std::vector<Field>& fields, PayloadLayout::Alignment alignment) {
  std::size_t end = 0;
  std::size_t widest = 1;
  const auto round_up = [&](std::size_t to) {
    if (alignment == PayloadLayout::Alignment::natural) end = (end + to - 1) / to * to;
  };
  for (Field& field : fields) {
    const std::size_t size = size_of(field.kind);
    widest = std::max(widest, size);
    round_up(size);
    field.offset = end;
    end += size * field.count;
    if (end > kLargest) {
      throw Error("layout: with field '" + field.name + "' a message has " + std::to_string(end) +
                  " bytes, but at most " + std::to_string(kLargest) + " are possible");
    }
  }
  round_up(widest);
  return end;
}

template <typename T>
T read(PayloadBytes bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

/// The shortest text that is this number and no other.
template <typename T>
std::string text_of_number(T value) {
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}

/// The words of YAML for what is no number.
template <typename T>
std::string text_of_float(T value) {
  if (value != value) return ".nan";
  if (value > std::numeric_limits<T>::max()) return ".inf";
  return value < std::numeric_limits<T>::lowest() ? "-.inf" : text_of_number(value);
}

std::string element_text(Kind kind, PayloadBytes bytes) {
  switch (kind) {
    case Kind::u8: return text_of_number(read<std::uint8_t>(bytes));
    case Kind::u16: return text_of_number(read<std::uint16_t>(bytes));
    case Kind::u32: return text_of_number(read<std::uint32_t>(bytes));
    case Kind::u64: return text_of_number(read<std::uint64_t>(bytes));
    case Kind::i8: return text_of_number(read<std::int8_t>(bytes));
    case Kind::i16: return text_of_number(read<std::int16_t>(bytes));
    case Kind::i32: return text_of_number(read<std::int32_t>(bytes));
    case Kind::i64: return text_of_number(read<std::int64_t>(bytes));
    case Kind::f32: return text_of_float(read<float>(bytes));
    case Kind::f64: return text_of_float(read<double>(bytes));
    case Kind::boolean: return read<std::uint8_t>(bytes) != 0 ? "true" : "false";
    case Kind::text: break;
  }
  return {};
}

/// Numbers as echo prints them, so that 0.1 of an f32 is 0.1; JSON has no word for what is no number.
nlohmann::ordered_json element_json(Kind kind, PayloadBytes bytes) {
  const std::string text = element_text(kind, bytes);
  if (text.ends_with(".nan") || text.ends_with(".inf")) return nullptr;
  auto value = nlohmann::ordered_json::parse(text);
  if (kind == Kind::f32 || kind == Kind::f64) return value.get<double>();
  return value;
}

/// Up to the first NUL.
std::string letters_of(PayloadBytes bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    if (byte == std::byte{0}) break;
    text += static_cast<char>(byte);
  }
  return text;
}

std::string json_quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string field_text(const Field& field, PayloadBytes bytes) {
  if (field.kind == Kind::text) return json_quoted(letters_of(bytes));
  if (!field.array) return element_text(field.kind, bytes);
  std::string text;
  const std::size_t size = size_of(field.kind);
  for (std::size_t i = 0; i < field.count; ++i) {
    text += (i == 0 ? "" : ", ") + element_text(field.kind, bytes.subspan(i * size, size));
  }
  return "[" + text + "]";
}

nlohmann::ordered_json field_json(const Field& field, PayloadBytes bytes) {
  if (field.kind == Kind::text) return nlohmann::ordered_json::parse(json_quoted(letters_of(bytes)));
  if (!field.array) return element_json(field.kind, bytes);
  auto list = nlohmann::ordered_json::array();
  const std::size_t size = size_of(field.kind);
  for (std::size_t i = 0; i < field.count; ++i) {
    list.push_back(element_json(field.kind, bytes.subspan(i * size, size)));
  }
  return list;
}

PayloadBytes bytes_in(const Field& field, PayloadBytes payload) {
  return payload.subspan(field.offset, field.count * size_of(field.kind));
}

}  // namespace

std::size_t size_of(PayloadLayout::Kind kind) noexcept { return entry_of(kind).size; }

std::string word_of(PayloadLayout::Kind kind) { return entry_of(kind).word; }

PayloadLayout::PayloadLayout(const std::string& text, Alignment alignment) : text_(text), alignment_(alignment) {
  Scanner scanner(text_);
  if (scanner.at_end()) scanner.fail("it has no fields; give some, like 'u64 n; f64 x[3]'");
  while (!scanner.at_end()) fields_.push_back(parse_field(scanner, fields_));
  other_size_ = arrange(fields_, alignment == Alignment::natural ? Alignment::packed : Alignment::natural);
  size_ = arrange(fields_, alignment);
}

void PayloadLayout::check_size(PayloadBytes payload) const {
  if (payload.size() == size_) return;
  const bool packed = alignment_ == Alignment::packed;
  throw Error("the message has " + std::to_string(payload.size()) + " bytes, but layout '" + text_ + "' has " +
              std::to_string(size_) + (packed ? " packed" : " naturally aligned") +
              (other_size_ == payload.size() ? packed ? "; leave --packed out" : "; give --packed"
                                             : "; give the layout of what is published"));
}

std::string PayloadLayout::text_of(PayloadBytes payload) const {
  check_size(payload);
  std::string text;
  for (const Field& field : fields_) text += field.name + ": " + field_text(field, bytes_in(field, payload)) + "\n";
  return text;
}

nlohmann::ordered_json PayloadLayout::json_of(PayloadBytes payload) const {
  check_size(payload);
  auto json = nlohmann::ordered_json::object();
  for (const Field& field : fields_) json[field.name] = field_json(field, bytes_in(field, payload));
  return json;
}

}  // namespace sluice::commands
