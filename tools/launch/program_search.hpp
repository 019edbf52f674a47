#pragma once

#include <string>

#include <sluice/error.hpp>

namespace sluice::launch {

struct ProgramSearch {
  std::string launch_directory;  ///< Names with a '/' are relative to it.
  std::string own_directory;     ///< Where the running `sluice` lies; searched first for names without a '/'.
                                 ///< Next is libexec/sluice of its installation, if there is one.
  std::string path;              ///< PATH as the program itself would see it; searched last.
};

/// The path of the program `name`. Throws ConfigError at `origin` that says what was searched, or why the file found
/// cannot be executed; `who` reads like "node 'talker'".
[[nodiscard]] std::string find_program(const std::string& name, const ProgramSearch& search, const Origin& origin,
                                       const std::string& who);

/// The directory of the running executable.
[[nodiscard]] std::string own_directory();

}  // namespace sluice::launch
