#include "control/log.hpp"

#include <cstdlib>

#include <spdlog/sinks/stdout_color_sinks.h>

namespace sluice::detail {

std::shared_ptr<spdlog::logger> make_logger(const std::string& name) {
  static const auto sink = [] {
    auto made = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    made->set_pattern("[%H:%M:%S.%e] [%^%l%$] [%n] %v");
    return made;
  }();
  auto logger = std::make_shared<spdlog::logger>(name, sink);
  if (const char* level = std::getenv("SLUICE_LOG_LEVEL")) logger->set_level(spdlog::level::from_str(level));
  return logger;
}

}  // namespace sluice::detail
