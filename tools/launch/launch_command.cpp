#include "launch_command.hpp"

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include <sluice/error.hpp>

#include "arguments.hpp"
#include "description.hpp"
#include "guard.hpp"
#include "plan.hpp"
#include "program_search.hpp"
#include "resolve.hpp"
#include "supervisor.hpp"

namespace sluice::launch {

namespace {

int run_or_throw(const Options& options) {
  const Description description = load_description(options.file);
  if (options.show_args) {
    std::cout << describe_arguments(description);
    return 0;
  }
  const Plan plan = resolve(description, options.assignments, own_directory());
  if (options.print) print_plan(std::cout, plan);
  if (options.check) {
    const std::size_t count = plan.process_count();
    std::cout << options.file << ": valid, " << count << (count == 1 ? " process\n" : " processes\n");
  }
  if (options.print || options.check) return 0;
  std::cout.flush();
  std::fflush(nullptr);
  return run_guarded([&plan](pid_t guard) {
    // Never destroyed: its console may have a thread that is stuck in a write.
    auto* supervisor = new Supervisor(plan, guard);
    return supervisor->run();
  });
}

}  // namespace

int run(const Options& options) {
  try {
    return run_or_throw(options);
  } catch (const Error& error) {
    std::fprintf(stderr, "sluice launch: %s\n", error.what());
    return kUnusableExitCode;
  }
}

}  // namespace sluice::launch
