#pragma once

#include <memory>
#include <string>

#include <spdlog/logger.h>

namespace sluice::detail {

/// A logger named `name` on the process's one stderr sink: stdout belongs to the program. SLUICE_LOG_LEVEL sets the
/// level.
[[nodiscard]] std::shared_ptr<spdlog::logger> make_logger(const std::string& name);

}  // namespace sluice::detail
