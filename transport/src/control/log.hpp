#pragma once

#include <memory>
#include <string>

#include <spdlog/logger.h>

#include <sluice/config.hpp>

namespace sluice::detail {

/// A logger named `name` on the process's stderr (stdout belongs to the program) and, where `log_dir` is set, in the
/// process's log file, which all loggers share. The level is `log_level` of the configuration; it holds for this
/// logger. Throws Error when the file cannot be made.
[[nodiscard]] std::shared_ptr<spdlog::logger> make_logger(const std::string& name, const DomainSettings& settings);

}  // namespace sluice::detail
