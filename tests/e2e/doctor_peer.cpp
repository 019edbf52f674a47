// doctor_peer publish|subscribe TOPIC [WORD...] [node options]: a patient for `sluice doctor`. Says "open" or "refused"
// and stays until it is ended. Words:
//   type=NAME,SIZE,HASH  declares a type
//   messages=N           publishes so many, then says how many went
//   slow                 each callback takes a little while
//   idle                 a subscription that takes nothing
//   hang                 a callback that does not return until the program is ended

#include <chrono>
#include <cstdio>
#include <optional>
#include <sstream>
#include <thread>

#include <sluice/sluice.hpp>

namespace {

using namespace std::chrono_literals;

struct Words {
  sluice::MessageType type;
  std::optional<std::uint64_t> messages;
  bool slow = false;
  bool idle = false;
  bool hang = false;
};

Words parse(const std::vector<std::string>& arguments) {
  Words words;
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word.starts_with("type=")) {
      std::istringstream text(word.substr(5));
      std::string number;
      std::getline(text, words.type.name, ',');
      if (std::getline(text, number, ',')) words.type.fixed_size = static_cast<std::uint32_t>(std::stoul(number));
      if (std::getline(text, number, ',')) words.type.layout_hash = std::stoull(number);
    } else if (word.starts_with("messages=")) {
      words.messages = std::stoull(word.substr(9));
    } else {
      words.slow = words.slow || word == "slow";
      words.idle = words.idle || word == "idle";
      words.hang = words.hang || word == "hang";
    }
  }
  return words;
}

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

void spin(sluice::Node& node, bool hang) {
  if (!hang) return node.spin();
  const auto timer = node.every(1ms, [&] {
    while (sluice::ok()) std::this_thread::sleep_for(1ms);
  });
  node.spin();
}

void publish(sluice::Node& node, const std::string& topic, const Words& words) {
  auto publisher = node.advertise_bytes(topic, words.type);
  say("open");
  if (words.messages) {
    const std::string text(words.type.fixed_size == 0 ? 8 : words.type.fixed_size, 'x');
    std::uint64_t sent = 0;
    for (std::uint64_t i = 0; i < *words.messages; ++i) {
      const auto result = publisher.publish(std::as_bytes(std::span(text)));
      sent += result == sluice::PublishResult::ok ? 1 : 0;
    }
    say("sent " + std::to_string(sent));
  }
  spin(node, words.hang);
}

void subscribe(sluice::Node& node, const std::string& topic, const Words& words) {
  if (words.idle) {
    const auto subscription = node.subscribe_bytes(topic, words.type);
    say("open");
    return spin(node, words.hang);
  }
  const auto receive = [slow = words.slow](std::span<const std::byte>) {
    if (slow) std::this_thread::sleep_for(2ms);
  };
  const auto subscription = node.subscribe_bytes(topic, receive, words.type);
  say("open");
  spin(node, words.hang);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto options = sluice::NodeOptions::from_args(argc, argv);
    sluice::Node node(options.arguments.at(0) == "publish" ? "source" : "sink", options);
    const Words words = parse(options.arguments);
    try {
      const std::string& topic = options.arguments.at(1);
      options.arguments.at(0) == "publish" ? publish(node, topic, words) : subscribe(node, topic, words);
    } catch (const sluice::Error& error) {
      say("refused");
      node.spin();
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "doctor_peer: %s\n", error.what());
    return 2;
  }
}
