// bench [NAME...] [--only TEXT] [--pairs N] [--json FILE] [--quick] [--list]
//
// Sluice beside the loops of limits/, which make the same accesses to shared memory as its formats demand and nothing
// else. Pairs of runs, limit and measured, interleaved; the median of the pairs' ratios is the result, for absolute
// figures move with the machine from minute to minute. README.md says what each row means.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "harness/two_sides.hpp"
#include "rows/links.hpp"
#include "rows/rows.hpp"

namespace {

using namespace sluice::bench;

struct Group {
  const char* name;
  void (*add)(Rows&, Effort);
};

constexpr Group kGroups[] = {{"latency", add_latency_rows}, {"throughput", add_throughput_rows},
                             {"sizes", add_size_rows},      {"blocked", add_blocked_rows},
                             {"nodes", add_node_rows},      {"waiting", add_waiting_rows},
                             {"peers", add_peer_rows},      {"channels", add_channel_rows},
                             {"memory", add_memory_rows},   {"views", add_view_rows}};

constexpr int kTooFewCores = 77;  ///< Test drivers read it as "skipped".

struct Arguments {
  std::vector<std::string> groups;
  std::string only;
  int pairs = 15;
  std::string json;
  bool quick = false;
  bool list = false;
};

[[noreturn]] void usage(std::FILE* out, int code) {
  std::fputs(
      "usage: bench [NAME...] [--only TEXT] [--pairs N] [--json FILE] [--quick] [--list]\n"
      "\n"
      "  NAME          measure only these:",
      out);
  for (const Group& group : kGroups) std::fprintf(out, " %s", group.name);
  std::fputs(
      "\n"
      "  --only TEXT   of these, the lines whose name contains TEXT\n"
      "  --pairs N     interleaved pairs of runs for every line of the table (15)\n"
      "  --json FILE   write the results there as well\n"
      "  --quick       a tenth of the work, 3 pairs: to see that everything runs, not for figures\n"
      "  --list        name the lines, measure nothing\n"
      "\n"
      "`./dev bench python` measures the Python package; `./dev bench python --help`.\n",
      out);
  std::exit(code);
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  const auto refuse = [](const std::string& reason) {
    std::fprintf(stderr, "bench: %s\n", reason.c_str());
    usage(stderr, 2);
  };
  bool pairs_given = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= argc) refuse(argument + " needs a value");
      return argv[++i];
    };
    if (argument == "--help" || argument == "-h") usage(stdout, 0);
    if (argument == "--quick") {
      arguments.quick = true;
    } else if (argument == "--list") {
      arguments.list = true;
    } else if (argument == "--only") {
      arguments.only = value();
    } else if (argument == "--json") {
      arguments.json = value();
    } else if (argument == "--pairs") {
      const std::string number = value();
      char* end = nullptr;
      const long pairs = std::strtol(number.c_str(), &end, 10);
      if (number.empty() || *end != '\0' || pairs < 1 || pairs > 10'000) refuse("--pairs is a number from 1 to 10000");
      arguments.pairs = static_cast<int>(pairs);
      pairs_given = true;
    } else {
      arguments.groups.push_back(argument);
    }
  }
  for (const std::string& name : arguments.groups) {
    bool known = false;
    for (const Group& group : kGroups) known = known || name == group.name;
    if (!known) refuse("there is no '" + name + "'");
  }
  if (arguments.quick && !pairs_given) arguments.pairs = 3;
  return arguments;
}

Rows rows_of(const Arguments& arguments) {
  const Effort effort{arguments.quick ? 10U : 1U};
  Rows rows;
  for (const Group& group : kGroups) {
    bool wanted = arguments.groups.empty();
    for (const std::string& name : arguments.groups) wanted = wanted || name == group.name;
    if (wanted) group.add(rows, effort);
  }
  std::erase_if(rows, [&](const Row& row) { return row.name.find(arguments.only) == std::string::npos; });
  return rows;
}

std::vector<Result> measure(const Rows& rows, int pairs) {
  std::vector<Result> results;
  for (const Row& row : rows) {
    if (results.empty() || results.back().row.group != row.group) print_heading(stdout, row);
    if (!row.limit || !row.measured) {
      std::printf("%-34s not installed\n", row.name.c_str());
      continue;
    }
    try {
      results.push_back(run_row(row, pairs));
    } catch (const RunFailed& failure) {
      throw RunFailed("'" + row.group + "', '" + row.name + "': " + failure.what());
    }
    print_result(stdout, results.back());
  }
  return results;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  try {
    const Rows rows = rows_of(arguments);
    if (arguments.list) {
      for (const Row& row : rows) std::printf("%s: %s\n", row.group.c_str(), row.name.c_str());
      return 0;
    }
    if (usable_cores() < 2) {
      std::fprintf(stderr, "bench: two sides need two cores, and this process may use one\n");
      return kTooFewCores;
    }
    print_machine(stdout);
    std::printf("%d interleaved pairs; ratio: median of the pairs; '!': misses its goal\n", arguments.pairs);
    const auto results = measure(rows, arguments.pairs);
    if (!arguments.json.empty()) write_json(arguments.json, arguments.pairs, results);
    return 0;
  } catch (const Interrupted&) {
    std::fprintf(stderr, "bench: interrupted\n");
    return 130;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 1;
  }
}
