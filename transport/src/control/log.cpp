#include "control/log.hpp"

#include <unistd.h>

#include <mutex>
#include <set>

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <sluice/error.hpp>
#include <sluice/shm/process_identity.hpp>

#include "control/repeat_filter.hpp"

namespace sluice::detail {

namespace {

constexpr std::chrono::seconds kQuiet{5};

spdlog::sink_ptr stderr_sink() {
  const bool no_color = std::getenv("NO_COLOR") != nullptr && *std::getenv("NO_COLOR") != '\0';
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(no_color ? spdlog::color_mode::never
                                                                             : spdlog::color_mode::automatic);
  sink->set_pattern("[%H:%M:%S.%e] [%^%l%$] [%n] %v");
  return sink;
}

/// DIRECTORY/EXECUTABLE-PID.log: processes that shared a file would rotate it under each other's feet.
spdlog::sink_ptr file_sink(const DomainSettings& settings) {
  const shm::ProcessIdentity self = shm::ProcessIdentity::self();
  const std::string path = settings.log_dir + "/" + self.executable + "-" + std::to_string(self.pid) + ".log";
  try {
    auto sink =
        std::make_shared<spdlog::sinks::rotating_file_sink_mt>(path, settings.log_max_size, settings.log_files - 1);
    sink->set_pattern("[%Y-%m-%d %H:%M:%S.%e] [%l] [%n] %v");
    return sink;
  } catch (const spdlog::spdlog_ex& error) {
    throw Error("cannot log to '" + path + "' (log_dir): " + error.what());
  }
}

}  // namespace

std::shared_ptr<spdlog::logger> make_logger(const std::string& name, const DomainSettings& settings) {
  static const auto filter = std::make_shared<RepeatFilter>(std::vector{stderr_sink()}, kQuiet);
  static std::mutex mutex;
  static std::set<std::pair<std::string, pid_t>> directories;  // by process: a forked child has a file of its own
  {
    const std::lock_guard lock(mutex);
    if (!settings.log_dir.empty() && !directories.contains({settings.log_dir, ::getpid()})) {
      filter->add(file_sink(settings));
      directories.insert({settings.log_dir, ::getpid()});
    }
  }
  auto logger = std::make_shared<spdlog::logger>(name, filter);
  logger->set_level(spdlog::level::from_str(settings.log_level));
  return logger;
}

}  // namespace sluice::detail
