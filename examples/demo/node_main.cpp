#include "node_main.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>

#include <sluice/units.hpp>

namespace demo {

namespace {

constexpr int kUsageOrError = 2;

bool asks_for_help(int argc, char** argv) {
  return std::any_of(argv + 1, argv + argc, [](std::string_view word) { return word == "--help" || word == "-h"; });
}

void print_help(const Program& program) {
  std::printf("%s: %s\n\nOptions:\n%s", program.name.c_str(), program.summary.c_str(),
              sluice::NodeOptions::usage().c_str());
  if (program.parameters.empty()) return;
  std::printf("\nParameters (--param NAME:=VALUE):\n");
  for (const Parameter& parameter : program.parameters) {
    std::printf("  %-10s %s (default: %s)\n", parameter.name.c_str(), parameter.help.c_str(),
                parameter.otherwise.empty() ? "none" : parameter.otherwise.c_str());
  }
}

void refuse_unknown(const Program& program, const sluice::NodeOptions& options) {
  if (!options.arguments.empty()) {
    std::string words;
    for (const std::string& word : options.arguments) words += " '" + word + "'";
    throw sluice::Error("unknown argument" + std::string(options.arguments.size() == 1 ? "" : "s") + words + "; see " +
                        program.name + " --help");
  }
  std::vector<std::string> known;
  for (const Parameter& parameter : program.parameters) known.push_back(parameter.name);
  for (const auto& [name, value] : options.parameters) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string hint = sluice::did_you_mean(name, known);
    throw sluice::Error("there is no parameter '" + name + "'" +
                        (hint.empty() ? "; see " + program.name + " --help" : hint));
  }
}

void refuse_second_copy(const sluice::Node& node) {
  for (const sluice::ProcessInfo& process : sluice::read_graph(node.options().config.domain()).processes) {
    const bool same = std::count(process.nodes.begin(), process.nodes.end(), node.fully_qualified_name()) > 0;
    if (!same || process.pid == ::getpid()) continue;
    throw sluice::Error("node '" + node.fully_qualified_name() + "' runs already in this domain (pid " +
                        std::to_string(process.pid) + "); end it, or use another domain, e.g. SLUICE_DOMAIN=1");
  }
}

/// `parse` of a parameter's text, with the parameter's name in front of what it complains about.
template <typename Parse>
auto parsed(const sluice::Node& node, const Program& program, const std::string& name, Parse parse) {
  const std::string text = text_parameter(node, program, name);
  try {
    return parse(text);
  } catch (const sluice::Error& error) {
    throw sluice::Error("parameter '" + name + "': " + error.what());
  }
}

}  // namespace

int node_main(int argc, char** argv, const Program& program, const std::function<int(sluice::Node&)>& body) {
  // Whole lines also through a pipe; and when nobody reads them any more a write fails, instead of a signal that would
  // end the process without its farewell.
  (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);
  (void)::signal(SIGPIPE, SIG_IGN);
  try {
    if (asks_for_help(argc, argv)) {
      print_help(program);
      return 0;
    }
    sluice::NodeOptions options = sluice::NodeOptions::from_args(argc, argv);
    refuse_unknown(program, options);
    sluice::Node node(program.name, std::move(options));
    if (program.once_in_a_domain) refuse_second_copy(node);
    return body(node);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program.name.c_str(), error.what());
    return kUsageOrError;
  }
}

std::string text_parameter(const sluice::Node& node, const Program& program, const std::string& name) {
  const auto found = std::find_if(program.parameters.begin(), program.parameters.end(),
                                  [&](const Parameter& parameter) { return parameter.name == name; });
  return node.parameter<std::string>(name, found == program.parameters.end() ? "" : found->otherwise);
}

std::size_t size_parameter(const sluice::Node& node, const Program& program, const std::string& name) {
  return parsed(node, program, name, [](const std::string& text) { return sluice::parse_size(text); });
}

std::chrono::nanoseconds duration_parameter(const sluice::Node& node, const Program& program, const std::string& name) {
  return parsed(node, program, name, [](const std::string& text) { return sluice::parse_duration(text); });
}

}  // namespace demo
