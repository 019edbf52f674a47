#include <sluice/sluice.hpp>

#include <catch2/catch.hpp>

#include <sluice/shm/process_identity.hpp>

#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "control/repeat_filter.hpp"
#include "support/child_process.hpp"
#include "support/temporary_directory.hpp"

using namespace sluice;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using sluice::test::ChildProcess;
using sluice::test::TemporaryDirectory;

namespace {

/// A message at a time of our choice.
void log_at(detail::RepeatFilter& filter, const std::string& logger, const std::string& text,
            std::chrono::milliseconds when) {
  spdlog::details::log_msg message(logger, spdlog::level::warn, text);
  message.time = spdlog::log_clock::time_point{} + 1h + when;
  filter.log(message);
}

std::vector<std::string> files_in(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) files.push_back(entry.path().string());
  return files;
}

std::string text_of(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("the same message of the same logger comes once in a while, and says how often it came") {
  std::ostringstream out;
  {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_st>(out);
    sink->set_pattern("%n %v");
    detail::RepeatFilter filter({sink}, 5s);
    log_at(filter, "a", "x", 0ms);
    log_at(filter, "a", "x", 1ms);
    log_at(filter, "b", "x", 2ms);
    log_at(filter, "a", "y", 3ms);
    log_at(filter, "a", "x", 4999ms);
    CHECK(out.str() == "a x\nb x\na y\n");
    log_at(filter, "a", "x", 5000ms);
    CHECK(out.str() == "a x\nb x\na y\na x (2 more times)\na x\n");
    log_at(filter, "a", "x", 5001ms);
  }
  CHECK(out.str() == "a x\nb x\na y\na x (2 more times)\na x\na x (1 more times)\n");
}

TEST_CASE("new messages are passed on, however many there are") {
  std::ostringstream out;
  auto sink = std::make_shared<spdlog::sinks::ostream_sink_st>(out);
  sink->set_pattern("%v");
  detail::RepeatFilter filter({sink}, 5s);
  for (int i = 0; i < 1000; ++i) log_at(filter, "a", std::to_string(i), 0ms);
  const std::string text = out.str();
  CHECK(std::count(text.begin(), text.end(), '\n') == 1000);
}

TEST_CASE("a process logs to a file of its own in log_dir, which is rotated") {
  const TemporaryDirectory directory;
  NodeOptions options;
  options.config =
      Config::parse("runtime_dir: " + directory.path() + "/run\nlog_level: error\nlog_dir: " + directory.path() +
                        "/log\nlog_max_size: 4KiB\nlog_files: 2",
                    "test.yaml");
  // The file is the process's for as long as it lives: another one, whose end leaves the directory to us.
  const auto log = [&](int fillers) {
    ChildProcess child([&] {
      const Node node("node", options);
      node.log().warn("below the level");
      node.log().error("above it");
      for (int i = 0; i < fillers; ++i) node.log().error("message {} that fills the file", i);
      return 0;
    });
    const pid_t pid = child.pid();
    CHECK(child.wait() == 0);
    return directory.path() + "/log/" + shm::ProcessIdentity::self().executable + "-" + std::to_string(pid) + ".log";
  };
  const std::string file = log(0);
  REQUIRE(files_in(directory.path() + "/log") == std::vector<std::string>{file});
  CHECK_THAT(text_of(file), Contains("[error] [/node] above it\n") && !Contains("below"));
  const std::string full = log(200);
  CHECK(files_in(directory.path() + "/log").size() == 3);
  CHECK(std::filesystem::file_size(full) <= 4096);
}

TEST_CASE("a log_dir that cannot be used is named") {
  NodeOptions options;
  options.config = Config::parse("log_dir: /proc/nowhere", "test.yaml");
  CHECK_THROWS_WITH(Node("node", options), Contains("cannot log to '/proc/nowhere/") && Contains("(log_dir)"));
}
