#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <sluice/sluice.hpp>

#include "support/child_process.hpp"
#include "support/temporary_directory.hpp"

namespace sluice::test {

/// Children are forked before there is a second thread, and wait here for their turn.
class Gate {
 public:
  Gate() { REQUIRE(::pipe(ends_.data()) == 0); }
  void open() const { REQUIRE(::write(ends_[1], "x", 1) == 1); }
  void wait() const {
    char byte = 0;
    (void)!::read(ends_[0], &byte, 1);
  }

 private:
  std::array<int, 2> ends_{};
};

class WatchedDomain {
 public:
  explicit WatchedDomain(const std::string& topics = "") {
    options.config = Config::parse("runtime_dir: " + run() + "\n" + topics, "test.yaml");
    options.handle_signals = false;
  }
  NodeOptions options;
  [[nodiscard]] std::string run() const { return directory_.path() + "/run"; }
  [[nodiscard]] std::string records() const { return run() + "/domain-0/processes"; }

  /// A node that publishes on /topic and spins until it is asked to end.
  [[nodiscard]] ChildProcess talker(const Gate& gate) const {
    return ChildProcess([&] {
      gate.wait();
      NodeOptions own = options;
      own.handle_signals = true;
      Node node("talker", own);
      auto out = node.advertise_bytes("topic");
      node.spin();
      return 0;
    });
  }

 private:
  TemporaryDirectory directory_;
};

/// What a node was told, in the order in which it was.
class Heard {
 public:
  explicit Heard(Node& node) : node_(node) {
    node.on_graph_change([this](const GraphEvent& event) { events.push_back(event); });
  }

  /// Spins until something of this kind has been told since the last time.
  [[nodiscard]] bool hears(GraphEvent::Kind kind) {
    return eventually([&] {
      node_.spin_for(std::chrono::milliseconds{5});
      const auto found = std::find_if(events.begin() + next_, events.end(), [&](auto& e) { return e.kind == kind; });
      if (found == events.end()) return false;
      next_ = found - events.begin() + 1;
      return true;
    });
  }
  [[nodiscard]] const ProcessInfo& last() const { return events.at(static_cast<std::size_t>(next_ - 1)).process; }

  std::vector<GraphEvent> events;

 private:
  Node& node_;
  std::ptrdiff_t next_ = 0;
};

}  // namespace sluice::test
