#pragma once

#include <memory>
#include <string>

#include "control/control_server.hpp"
#include "node/node_events.hpp"
#include "node/parameter_store.hpp"

namespace sluice::detail {

/// What can be asked of a node from outside.
class NodeControl : public ControlTarget {
 public:
  struct Parts {
    std::string name;  ///< Fully qualified.
    std::shared_ptr<spdlog::logger> logger;
    std::shared_ptr<NodeEvents> events;
    std::shared_ptr<ParameterStore> parameters;
    bool handles_signals;
  };

  explicit NodeControl(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] const std::string& name() const noexcept override { return parts_.name; }
  void handle(const ControlRequest& request, const Answer& answer,
              const std::shared_ptr<std::atomic<bool>>& taken) override;

 private:
  void set(const ControlRequest& request, const Answer& answer, const std::shared_ptr<std::atomic<bool>>& taken);
  [[nodiscard]] nlohmann::json now(const ControlRequest& request);

  Parts parts_;
};

}  // namespace sluice::detail
