// Shows what goes on in a domain, from shared memory alone: it subscribes to nothing and disturbs nobody.

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <sluice/sluice.hpp>

#include "node_main.hpp"
#include "topic_table.hpp"

namespace {

using namespace std::chrono_literals;

const demo::Program kProgram{"dashboard",
                             "shows topics, rates and latencies of a domain, live",
                             {{"period", "1s", "time between two pictures on a terminal"},
                              {"every", "5s", "time between two blocks when the output is no terminal"}}};

constexpr auto kLookPeriod = 100ms;      // short enough to see a process' last numbers before it goes
constexpr std::size_t kPlainWidth = 66;  // leaves room for the launcher's prefix within 80 columns

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

bool set_and_not_empty(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

/// Whether the picture may be drawn over the one before.
bool can_redraw() {
  if (::isatty(STDOUT_FILENO) == 0 || set_and_not_empty("NO_COLOR") || !set_and_not_empty("TERM")) return false;
  return std::string(std::getenv("TERM")) != "dumb";
}

std::size_t terminal_width() {
  winsize size{};
  constexpr std::size_t kUsual = 80;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return std::min<std::size_t>(size.ws_col, kUsual);
}

class Dashboard {
 public:
  explicit Dashboard(sluice::Node& node) : node_(node), redraw_(can_redraw()) {}

  int run() {
    look();
    node_.every(kLookPeriod, [this] { look(); });
    node_.every(demo::duration_parameter(node_, kProgram, redraw_ ? "period" : "every"), [this] { draw(); });
    node_.spin();
    look();
    write(table_.summary(width()));
    return std::ferror(stdout) != 0 ? 1 : 0;
  }

 private:
  [[nodiscard]] std::size_t width() const { return redraw_ ? terminal_width() : kPlainWidth; }

  void look() { table_.update(sluice::read_graph(node_.options().config.domain()), now_s()); }

  void draw() {
    std::vector<std::string> lines = table_.live(width(), now_s());
    if (redraw_) {
      // Up to where the picture before began; what is left of it below goes with the last code.
      if (drawn_ > 0) std::printf("\033[%zuA", drawn_);
      for (std::string& line : lines) line = line.substr(0, terminal_width()) + "\033[K";
      lines.back() += "\033[J";
      drawn_ = lines.size();
    }
    write(lines);
  }

  void write(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) std::printf("%s\n", line.c_str());
    (void)std::fflush(stdout);
    if (std::ferror(stdout) != 0) node_.shutdown();  // nobody reads it any more
  }

  sluice::Node& node_;
  bool redraw_;
  demo::TopicTable table_;
  std::size_t drawn_ = 0;  ///< Lines of the picture on the terminal.
};

}  // namespace

int main(int argc, char** argv) {
  return demo::node_main(argc, argv, kProgram, [](sluice::Node& node) { return Dashboard(node).run(); });
}
