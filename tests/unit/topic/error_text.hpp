#pragma once

#include <sluice/error.hpp>

#include <string>

namespace sluice::test {

/// The text of the Error that `action` throws; "no error" when it throws none. Anything else fails the test.
template <typename Action>
std::string error_text(Action action) {
  try {
    static_cast<void>(action());
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace sluice::test
