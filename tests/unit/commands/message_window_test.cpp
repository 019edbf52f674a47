#include "commands/message_window.hpp"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::commands;

namespace {

TakenMessage published_at(std::int64_t ns) {
  TakenMessage message;
  message.info.published_ns = ns;
  return message;
}

}  // namespace

TEST_CASE("delays are those of the last messages that say when they were published") {
  MessageWindow window(4);
  CHECK(window.delays().messages == 0);
  window.add(published_at(0), 5'000'000'000);
  CHECK(window.delays().messages == 0);
  for (const std::int64_t delay : {9, 1, 2, 3, 4}) window.add(published_at(1'000'000'000), (1 + delay) * 1'000'000'000);
  const auto delays = window.delays();
  CHECK(delays.messages == 4);
  CHECK(delays.shortest == Approx(1));
  CHECK(delays.longest == Approx(4));
  CHECK(delays.mean == Approx(2.5));
  CHECK(delays.deviation == Approx(1.118034));
  CHECK(delays.median == Approx(2));
  CHECK(delays.p99 == Approx(4));
}
