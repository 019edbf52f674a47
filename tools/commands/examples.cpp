#include "commands/examples.hpp"

#include <map>
#include <string>
#include <vector>

namespace sluice::commands {

namespace {

using Lines = std::vector<std::string>;
using Examples = std::map<std::string, Lines>;

/// By command; each line goes on after "sluice COMMAND".
Examples all_examples() {
  return {
      {"launch", {"robot.yaml", "robot.yaml rate:=50Hz --print", "robot.yaml --show-args"}},
      {"topic list", {"", "-t", "--json --config robot.yaml"}},
      {"topic info", {"/imu/raw", "/imu/raw --verbose"}},
      {"topic find", {"demo/Image"}},
      {"topic echo",
       {"/imu/raw", "/imu/raw --once --hex", "/imu/raw --layout 'u64 number; f64 accel[3]'",
        "/camera/image -n 1 --raw > image.bin"}},
      {"topic pub", {"/greeting hello", "/greeting hello --once", "/speed 0000803f --hex --rate 10"}},
      {"topic hz", {"/imu/raw", "/imu/raw --window 100 --duration 10"}},
      {"topic bw", {"/camera/image", "/camera/image --duration 10 --json"}},
      {"topic delay", {"/imu/raw"}},
      {"top", {"", "--sort rate", "--batch -n 1"}},
      {"node list", {"", "--verbose", "--count-nodes"}},
      {"node info", {"/camera"}},
      {"node shutdown", {"/camera"}},
      {"node log-level", {"/camera", "/camera debug"}},
      {"param list", {"", "/camera --param-type", "--filter exposure"}},
      {"param get", {"/camera exposure", "/camera exposure --hide-type"}},
      {"param set", {"/camera exposure 0.02", "/camera sizes '[640, 480]'"}},
      {"param describe", {"/camera exposure"}},
      {"param dump", {"/camera", "/camera > camera.yaml"}},
      {"param load", {"/camera camera.yaml"}},
      {"config check", {"robot.yaml", "robot.yaml site.yaml"}},
      {"config show", {"robot.yaml", "robot.yaml --topic /camera/image"}},
      {"config plan", {"robot.yaml", "robot.yaml --endpoints 4 --json"}},
      {"plugin list", {"", "--json"}},
      {"shm list", {"", "--json"}},
      {"shm clean", {"--dry-run", ""}},
      {"doctor", {"", "/imu/raw", "--json"}},
      {"slick list", {""}},
      {"slick info", {"/ticks"}},
      {"slick read", {"/ticks", "/ticks --from oldest --format u64 --no-wait"}},
      {"slick write", {"/ticks hello", "/ticks 0100000000000000 --hex --create 1024 --element 64"}},
      {"slick clean", {"/ticks --dry-run", "--all"}},
      {"eshm master", {"robot", "robot --rate 100 --duration 10s"}},
      {"eshm slave", {"robot", "robot --reconnects 0"}},
      {"eshm auto", {"robot"}},
      {"eshm bench echo", {"robot", "robot --spin"}},
      {"eshm bench drive", {"robot --size 64 --count 100000"}},
      {"eshm list", {"", "--json"}},
      {"eshm info", {"robot"}},
      {"eshm clean", {"--dry-run", "robot"}},
      {"completion bash", {"> ~/.local/share/bash-completion/completions/sluice"}},
      {"completion zsh", {"> ~/.zfunc/_sluice"}},
  };
}

void set_footer(CLI::App& app, const Lines& lines) {
  std::string text = "Examples:";
  for (const std::string& line : lines) text += "\n  " + line;
  app.footer(text);
}

/// The lines that end the command's help.
Lines add_to(CLI::App& app, const std::string& command, const Examples& examples) {
  Lines lines;
  if (const auto found = examples.find(command); found != examples.end()) {
    for (const std::string& line : found->second) {
      lines.push_back("sluice " + command + (line.empty() ? "" : " ") + line);
    }
  }
  for (CLI::App* subcommand : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string name = command + (command.empty() ? "" : " ") + subcommand->get_name();
    const Lines of_subcommand = add_to(*subcommand, name, examples);
    if (!of_subcommand.empty()) lines.push_back(of_subcommand.front());
  }
  if (!lines.empty()) set_footer(app, lines);
  return lines;
}

}  // namespace

void add_examples(CLI::App& app) { add_to(app, "", all_examples()); }

}  // namespace sluice::commands
