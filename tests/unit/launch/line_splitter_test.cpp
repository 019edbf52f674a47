#include "tools/launch/line_splitter.hpp"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

using sluice::launch::LineSplitter;

namespace {

std::vector<std::string> lines_of(LineSplitter splitter, const std::vector<std::string>& chunks) {
  std::vector<std::string> lines;
  const auto add = [&lines](std::string_view line) { lines.emplace_back(line); };
  for (const std::string& chunk : chunks) splitter.feed(chunk, add);
  splitter.finish(add);
  return lines;
}

}  // namespace

TEST_CASE("lines are put together from any chunks", "[launch]") {
  using Lines = std::vector<std::string>;
  CHECK(lines_of(LineSplitter(), {"a\nb\n"}) == Lines{"a", "b"});
  CHECK(lines_of(LineSplitter(), {"a", "b", "\n", "\nc"}) == Lines{"ab", "", "c"});
  CHECK(lines_of(LineSplitter(), {}) == Lines{});
  CHECK(lines_of(LineSplitter(), {"\n"}) == Lines{""});
  CHECK(lines_of(LineSplitter(), {std::string("a\0b\n", 4)}) == Lines{std::string("a\0b", 3)});
}

TEST_CASE("a long line is cut at the limit, whatever the chunks are", "[launch]") {
  const std::string text = "0123456789abcdefghij\nxy\n01234567\n012345678\nend";
  for (std::size_t chunk = 1; chunk <= text.size(); ++chunk) {
    std::vector<std::string> chunks;
    for (std::size_t at = 0; at < text.size(); at += chunk) chunks.push_back(text.substr(at, chunk));
    INFO(chunk);
    CHECK(lines_of(LineSplitter(8), chunks) ==
          std::vector<std::string>{"01234567", "89abcdef", "ghij", "xy", "01234567", "01234567", "8", "end"});
  }
}
