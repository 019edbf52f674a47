#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <sluice/sluice.hpp>

namespace demo {

/// A --param of a program, for --help and against typing mistakes.
struct Parameter {
  std::string name;
  std::string otherwise;  ///< Its default.
  std::string help;
};

struct Program {
  std::string name;     ///< Also the node's name, unless --name gives another.
  std::string summary;  ///< One sentence.
  std::vector<Parameter> parameters;
  bool once_in_a_domain = false;  ///< Refuses to start beside a node of the same name: their streams would mix.
};

/// The frame of every program of the demo: --help, the command line, a node, and errors as `name: message` with exit
/// code 2. `body` gives the exit code.
[[nodiscard]] int node_main(int argc, char** argv, const Program& program,
                            const std::function<int(sluice::Node&)>& body);

/// The value of a parameter, with its default from `program`. They throw Error naming the parameter.
[[nodiscard]] std::string text_parameter(const sluice::Node& node, const Program& program, const std::string& name);
[[nodiscard]] std::size_t size_parameter(const sluice::Node& node, const Program& program, const std::string& name);
[[nodiscard]] std::chrono::nanoseconds duration_parameter(const sluice::Node& node, const Program& program,
                                                          const std::string& name);

}  // namespace demo
