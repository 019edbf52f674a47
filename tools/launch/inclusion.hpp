#pragma once

#include <string>
#include <vector>

#include <sluice/error.hpp>

#include "description.hpp"

namespace sluice::launch {

/// The files that are being read, from the one that was launched to the one whose actions are carried out.
class Inclusion {
 public:
  explicit Inclusion(std::string launched) : files_{std::move(launched)} {}

  /// Reads `path`, which the file at `place` includes. Throws ConfigError: also if it is being read already, or if
  /// files include files without end.
  [[nodiscard]] Description enter(const std::string& path, const Origin& place);
  void leave() { files_.pop_back(); }

 private:
  std::vector<std::string> files_;
  int entered_ = 0;
};

/// The same error with `remark` behind its text: how one came to look at that place.
[[nodiscard]] ConfigError with_remark(const ConfigError& error, const std::string& remark);

}  // namespace sluice::launch
