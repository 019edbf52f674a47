#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include <sluice/config.hpp>
#include <sluice/graph.hpp>

namespace sluice::launch {

/// Sees in the domain what processes wait for.
class Readiness {
 public:
  /// The domain is the one that these files and the environment say. Throws Error.
  explicit Readiness(const std::vector<std::string>& config_files);

  /// What is asked below is answered as of now. A domain that cannot be read is empty.
  void look();

  [[nodiscard]] bool has_node(const std::string& name) const;
  [[nodiscard]] bool has_publisher(const std::string& topic) const;
  [[nodiscard]] bool has_node_of(pid_t pid) const;

 private:
  DomainSettings domain_;
  GraphSnapshot graph_;
};

}  // namespace sluice::launch
