#include <sluice/node_options.hpp>

#include <sluice/error.hpp>

namespace sluice {

namespace {

/// Walks over argv and hands out the values of options, written as "--x VALUE" or "--x=VALUE".
class Arguments {
 public:
  Arguments(int argc, const char* const* argv) : argc_(argc), argv_(argv) {}

  [[nodiscard]] bool next() { return ++index_ < argc_; }
  [[nodiscard]] std::string text() const { return argv_[index_]; }

  /// Whether the current argument is `option`; then `value` is set and consumed.
  bool takes(const std::string& option, std::string& value) {
    const std::string argument = text();
    if (argument.rfind(option + "=", 0) == 0) {
      value = argument.substr(option.size() + 1);
      return true;
    }
    if (argument != option) return false;
    if (index_ + 1 >= argc_) throw Error("option " + option + " needs a value");
    value = argv_[++index_];
    return true;
  }

 private:
  int argc_;
  const char* const* argv_;
  int index_ = 0;
};

void add_parameter(NodeOptions& options, const std::string& assignment) {
  const std::size_t separator = assignment.find(":=");
  if (separator == std::string::npos || separator == 0) {
    throw Error("--param '" + assignment + "' must read NAME:=VALUE");
  }
  options.parameters[assignment.substr(0, separator)] = assignment.substr(separator + 2);
}

void add_remap(NodeOptions& options, const std::string& text) {
  const Remap remap = parse_remap(text);
  if (remap.from == "__node" || remap.from == "__name") {
    options.name = remap.to;
  } else if (remap.from == "__ns") {
    options.ns = remap.to;
  } else {
    options.remaps.push_back(remap);
  }
}

}  // namespace

NodeOptions NodeOptions::from_args(int argc, const char* const* argv) {
  NodeOptions options;
  std::vector<std::string> files;
  std::string value;
  for (Arguments arguments(argc, argv); arguments.next();) {
    if (arguments.text() == "--") {
      while (arguments.next()) options.arguments.push_back(arguments.text());
    } else if (arguments.takes("--config", value)) {
      files.push_back(value);
    } else if (arguments.takes("--name", value)) {
      options.name = value;
    } else if (arguments.takes("--ns", value)) {
      options.ns = value;
    } else if (arguments.takes("--remap", value)) {
      add_remap(options, value);
    } else if (arguments.takes("--param", value)) {
      add_parameter(options, value);
    } else {
      options.arguments.push_back(arguments.text());
    }
  }
  options.config = Config::load_or_environment(files);
  return options;
}

std::string NodeOptions::usage() {
  return "  --config FILE          topics, QoS and domain (repeatable; default: environment SLUICE_CONFIG)\n"
         "  --name NAME            replaces the node's name\n"
         "  --ns NAMESPACE         the node's namespace\n"
         "  --remap FROM:=TO       uses topic TO where the program says FROM (repeatable)\n"
         "  --param NAME:=VALUE    sets a parameter (repeatable)\n";
}

}  // namespace sluice
