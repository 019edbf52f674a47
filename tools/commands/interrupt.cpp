#include "commands/interrupt.hpp"

#include <signal.h>

namespace sluice::commands {

namespace {

volatile sig_atomic_t signalled = 0;

}  // namespace

void stop_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { signalled = 1; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() noexcept { return signalled != 0; }

}  // namespace sluice::commands
