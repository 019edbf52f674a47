#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace sluice {

/// The name under which a C++ type travels: its qualified name with '/' for "::", so `demo::Imu` is "demo/Imu".
/// Specialise it to give another name:
///     template <> struct sluice::TypeName<Imu> { static std::string value() { return "demo/Imu"; } };
template <typename T>
struct TypeName {
  /// "demo/Imu".
  static std::string value() {
    // "... value() [with T = demo::Imu; ...]" (g++), "... [T = demo::Imu]" (clang)
    const std::string_view text = __PRETTY_FUNCTION__;
    const std::size_t begin = text.find("T = ") + 4;
    const std::string_view name = text.substr(begin, text.find_first_of(";]", begin) - begin);
    std::string result;
    for (std::size_t i = 0; i < name.size(); ++i) {
      if (name.substr(i, 2) == "::") {
        result += '/';
        ++i;
      } else {
        result += name[i];
      }
    }
    return result;
  }
};

/// What can be sent as it stands in memory: no pointers that mean something in one process only, no alignment
/// beyond 16.
template <typename T>
concept FixedMessage =
    std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> && !std::is_pointer_v<T> && alignof(T) <= 16;

/// T::kLayoutHash where a type says so of itself (see MessageType::layout_hash); else 0.
template <typename T>
[[nodiscard]] constexpr std::uint64_t layout_hash() noexcept {
  if constexpr (requires { T::kLayoutHash; }) {
    return T::kLayoutHash;
  } else {
    return 0;
  }
}

}  // namespace sluice
