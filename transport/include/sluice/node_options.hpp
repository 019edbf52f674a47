#pragma once

#include <map>
#include <string>
#include <vector>

#include <sluice/config.hpp>
#include <sluice/export.hpp>
#include <sluice/topic_name.hpp>

namespace sluice {

/// How a node is set up from outside.
struct SLUICE_EXPORT NodeOptions {
  Config config;                                  ///< Defaults and environment, or the files of --config.
  std::string name;                               ///< Replaces the node's own name when not empty.
  std::string ns = "/";                           ///< Namespace.
  std::vector<Remap> remaps;                      ///< The first rule that fits a topic counts.
  std::map<std::string, std::string> parameters;  ///< name -> value as written.
  std::vector<std::string> arguments;             ///< What from_args did not take; argv[0] is not among them.
  bool handle_signals = true;                     ///< SIGINT and SIGTERM end spin() and make ok() false.

  /// Takes --config FILE (repeatable), --name NAME, --ns NAMESPACE, --remap FROM:=TO, --param NAME:=VALUE, each also as
  /// --option=VALUE, and leaves the rest in `arguments`; "--" ends the options. Without --config the files in the
  /// environment variable SLUICE_CONFIG (separated by colons) are used. Throws Error.
  [[nodiscard]] static NodeOptions from_args(int argc, const char* const* argv);

  /// The --help text for the options above.
  [[nodiscard]] static std::string usage();
};

}  // namespace sluice
