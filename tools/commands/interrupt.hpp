#pragma once

namespace sluice::commands {

/// From now on SIGINT and SIGTERM only set what `interrupted` answers, so that a command ends in order.
void stop_on_signals();
[[nodiscard]] bool interrupted() noexcept;

}  // namespace sluice::commands
