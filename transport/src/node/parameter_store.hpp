#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <sluice/config.hpp>
#include <sluice/parameter.hpp>

namespace sluice::detail {

/// The parameters of one node. Thread-safe; the callback is called without the lock, so that it may read parameters.
class ParameterStore {
 public:
  /// `overrides` are what the configuration and the command line say, as written.
  ParameterStore(std::string node, std::map<std::string, ConfiguredParameter> overrides);

  /// The override if there is one, else `otherwise`. Throws Error: declared twice, wrong type, out of range.
  ParameterValue declare(const std::string& name, ParameterValue otherwise, ParameterOptions options);

  /// The value of a declared parameter or of an override; nothing when there is neither.
  [[nodiscard]] std::optional<std::string> text(const std::string& name) const;

  /// Throws Error naming the nearest parameter when there is none of that name.
  [[nodiscard]] ParameterDescription describe(const std::string& name) const;
  [[nodiscard]] std::vector<ParameterDescription> describe_all() const;

  /// Asks the callback and sets. Throws Error: unknown, read only, wrong type, out of range, refused.
  void set(const std::string& name, const ParameterValue& value);

  /// What was given for this node and nobody has declared or asked for by now; one sentence each, and each once.
  [[nodiscard]] std::vector<std::string> unclaimed();

  void set_callback(ParameterCallback callback);
  [[nodiscard]] bool has_callback() const;

 private:
  [[nodiscard]] const ParameterDescription& find(const std::string& name) const;
  [[nodiscard]] std::string what(const std::string& name) const;
  void claim(const std::string& name);
  void check(const ParameterDescription& parameter, const ParameterValue& value) const;

  const std::string node_;
  const std::map<std::string, ConfiguredParameter> overrides_;
  mutable std::mutex mutex_;
  std::map<std::string, ParameterDescription> declared_;
  mutable std::set<std::string> claimed_;  ///< Overrides that were declared, asked for, or told of.
  std::shared_ptr<const ParameterCallback> callback_;
};

}  // namespace sluice::detail
