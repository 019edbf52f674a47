#include <cstdio>
#include <exception>
#include <string_view>

#include "race/race_support.hpp"
#include "race/scenarios.hpp"

/// race_test SCENARIO. Exit code 0; 1 if something did not hold; ThreadSanitizer makes it 66 if it saw a race.
int main(int count, char** arguments) {
  using namespace sluice::test;
  for (const Scenario& scenario : scenarios) {
    if (count != 2 || std::string_view(arguments[1]) != scenario.name) continue;
    try {
      scenario.run();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "race_test: %s\n", error.what());
      return 1;
    }
    return failed ? 1 : 0;
  }
  std::fprintf(stderr, "%s SCENARIO:\n", arguments[0]);
  for (const Scenario& scenario : scenarios) std::fprintf(stderr, "  %s\n", scenario.name);
  return 2;
}
