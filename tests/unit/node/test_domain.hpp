#pragma once

#include <string>

#include <sluice/sluice.hpp>

#include "support/temporary_directory.hpp"

namespace sluice::test {

/// A domain of the test's own; `settings` are further lines of its configuration.
struct TestDomain {
  explicit TestDomain(const std::string& settings = "") {
    options.config = Config::parse("runtime_dir: " + run() + "\n" + settings, "test.yaml");
  }
  [[nodiscard]] std::string run() const { return directory.path() + "/run"; }

  TemporaryDirectory directory;
  NodeOptions options;
};

}  // namespace sluice::test
