#pragma once

#include <chrono>
#include <concepts>
#include <cstdio>
#include <functional>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include <sluice/message.hpp>

namespace sluice::conformance {

/// A promise is broken. Printed where it is found, because whoever catches it may first wait for a thread that hangs.
class Broken : public std::runtime_error {
 public:
  Broken(const std::string& what, const std::source_location& where) : std::runtime_error(what) {
    const std::string_view path = where.file_name();
    const std::string file{path.substr(path.rfind('/') + 1)};
    std::printf("%s:%u: %s\n", file.c_str(), static_cast<unsigned>(where.line()), what.c_str());
    std::fflush(stdout);
  }
};

/// The promise cannot be checked on this machine.
class NotCheckable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void expect(bool holds, const std::string& what,
                   const std::source_location& where = std::source_location::current()) {
  if (!holds) throw Broken("expected: " + what, where);
}

template <typename T>
std::string shown(const T& value) {
  if constexpr (std::same_as<T, PublishResult>) {
    switch (value) {
      case PublishResult::ok: return "ok";
      case PublishResult::timeout: return "timeout";
      case PublishResult::too_large: return "too_large";
      case PublishResult::wrong_size: return "wrong_size";
      case PublishResult::uncertain: return "uncertain";
      case PublishResult::out_of_chunks: return "out_of_chunks";
      case PublishResult::own_subscription_full: return "own_subscription_full";
    }
    return "a result that does not exist";
  } else {
    std::ostringstream text;
    text << value;
    return text.str();
  }
}

template <typename A, typename B>
void expect_equal(const A& found, const B& expected, const std::string& what,
                  const std::source_location& where = std::source_location::current()) {
  if (found == expected) return;
  throw Broken(what + ": found " + shown(found) + ", expected " + shown(expected), where);
}

/// Waits until `condition` holds. The bound is a watchdog, less than the runner's so that the text is the better one.
inline void eventually(const std::function<bool()>& condition, const std::string& what,
                       const std::source_location& where = std::source_location::current()) {
  constexpr std::chrono::seconds kWatchdog{30};
  const auto give_up = std::chrono::steady_clock::now() + kWatchdog;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) throw Broken("still waiting for: " + what, where);
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
}

/// The text of the exception that `action` throws. Broken if it throws none.
template <std::derived_from<std::exception> Expected, typename Action>
std::string refusal(Action action, const std::string& what,
                    const std::source_location& where = std::source_location::current()) {
  try {
    action();
  } catch (const Expected& error) {
    return error.what();
  }
  throw Broken("not refused: " + what, where);
}

inline void expect_named(const std::string& text, const std::string& part,
                         const std::source_location& where = std::source_location::current()) {
  if (text.find(part) == std::string::npos) {
    throw Broken("the error does not name \"" + part + "\": \"" + text + "\"", where);
  }
}

}  // namespace sluice::conformance
