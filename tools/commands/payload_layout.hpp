#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace sluice::commands {

/// The fields of a message, as `--layout "u64 n; f64 x[3]"` names them.
class PayloadLayout {
 public:
  /// What one element of a field is.
  enum class Kind : std::uint8_t { u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, boolean, text };

  struct Field {
    std::string name;
    Kind kind{};
    std::size_t count = 1;   ///< Elements; of text: bytes.
    bool array = false;      ///< With [N], also if N is 1.
    std::size_t offset = 0;  ///< Bytes from the beginning of the message.
  };

  /// Where fields lie: as a C compiler puts the members of a struct, or without gaps.
  enum class Alignment : std::uint8_t { natural, packed };

  /// Throws Error that names the field and the column.
  PayloadLayout(const std::string& text, Alignment alignment);

  [[nodiscard]] const std::vector<Field>& fields() const noexcept { return fields_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// One line "name: value" for each field. Throws Error when the payload has another size than the layout.
  [[nodiscard]] std::string text_of(std::span<const std::byte> payload) const;
  [[nodiscard]] nlohmann::ordered_json json_of(std::span<const std::byte> payload) const;  ///< As text_of.

  /// The message that `yaml` says: "{n: 5, x: [1, 2, 3]}". Fields that it does not name are zero. Throws Error that
  /// names the field and the column.
  [[nodiscard]] std::vector<std::byte> bytes_of(const std::string& yaml) const;

 private:
  void check_size(std::span<const std::byte> payload) const;

  std::string text_;
  std::vector<Field> fields_;
  std::size_t size_ = 0;
  std::size_t other_size_ = 0;  ///< With the other alignment.
  Alignment alignment_;
};

[[nodiscard]] inline PayloadLayout::Alignment alignment_of(bool packed) noexcept {
  return packed ? PayloadLayout::Alignment::packed : PayloadLayout::Alignment::natural;
}

/// Of one element.
[[nodiscard]] std::size_t size_of(PayloadLayout::Kind kind) noexcept;
/// "u64"; "char" for text.
[[nodiscard]] std::string word_of(PayloadLayout::Kind kind);

}  // namespace sluice::commands
