#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sluice::budgets {

/// One publisher and one reader of 64-byte messages in this process, as the hot path has them.
class Subject {
 public:
  virtual ~Subject() = default;

  /// Publishes a copy, publishes a loan, takes and gives back. Each exits the program when it does not work.
  virtual void publish() = 0;
  virtual void publish_loan() = 0;
  virtual void take() = 0;
};

inline constexpr std::size_t kMessageSize = 64;
inline constexpr int kDepth = 256;
using Payload = std::array<std::byte, kMessageSize>;

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Subject>(const std::string& directory)> open;
};

/// slick_reliable, slick_best_effort (with 16 readers: slick_best_effort_16), slick_raw, inproc: at the plugin
/// interface. node: Publisher and Subscription.
[[nodiscard]] const std::vector<Kind>& kinds();

/// Work that does not belong on the hot path, done there on purpose: whatever guards it must notice.
enum class Plant { none, instructions, allocation, system_call, page_fault };

[[noreturn]] void fail(const std::string& reason);

}  // namespace sluice::budgets
