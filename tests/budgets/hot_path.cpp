// hot_path quiet [KIND] [--plant allocation|system_call|page_fault]
//     0 allocations, 0 system calls, 0 page faults between loan and release, for one kind or all; exit code 1
//     otherwise.
// hot_path run KIND OPERATION COUNT [--plant instructions]
//     For callgrind, which counts inside count_publish, count_loan and count_take alone (instructions_test.py).

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "budgets/quiet_path.hpp"
#include "budgets/subject.hpp"
#include "support/temporary_directory.hpp"

namespace {

using namespace sluice::budgets;

constexpr int kBatch = 64;
bool plant_instructions = false;

void do_planted_instructions() {
  if (!plant_instructions) return;
  for (int i = 0; i < 20; ++i) asm volatile("");
}

}  // namespace

// What callgrind finds by name: so not inlined.
extern "C" {
__attribute__((noinline)) void count_publish(Subject& subject) {
  for (int i = 0; i < kBatch; ++i) subject.publish();
  for (int i = 0; i < kBatch; ++i) do_planted_instructions();
}
__attribute__((noinline)) void count_loan(Subject& subject) {
  for (int i = 0; i < kBatch; ++i) subject.publish_loan();
}
__attribute__((noinline)) void count_take(Subject& subject) {
  for (int i = 0; i < kBatch; ++i) subject.take();
}
}

namespace {

[[noreturn]] void usage() {
  std::fprintf(stderr,
               "usage: hot_path quiet [KIND] [--plant allocation|system_call|page_fault]\n"
               "       hot_path run KIND publish|loan|take COUNT [--plant instructions]\n");
  std::exit(2);
}

Plant parse_plant(const std::string& text) {
  if (text == "instructions") return Plant::instructions;
  if (text == "allocation") return Plant::allocation;
  if (text == "system_call") return Plant::system_call;
  if (text == "page_fault") return Plant::page_fault;
  usage();
}

const Kind& find_kind(const std::string& name) {
  for (const Kind& kind : kinds()) {
    if (name == kind.name) return kind;
  }
  fail("there is no kind '" + name + "'");
}

int check_quiet(const std::string& only, Plant plant) {
  bool quiet = true;
  for (const Kind& kind : kinds()) {
    if (!only.empty() && only != kind.name) continue;
    const bool this_one = hot_path_is_quiet(kind, plant);
    if (this_one) std::printf("%s: no allocation, no system call, no page fault\n", kind.name);
    quiet = quiet && this_one;
  }
  return quiet ? 0 : 1;
}

/// Warms up outside of the counted functions, then runs `count` messages through one of them and through the other
/// operation's uncounted twin.
int run_counted(const std::string& kind, const std::string& operation, int count) {
  const sluice::test::TemporaryDirectory directory;
  const auto subject = find_kind(kind).open(directory.path());
  for (int done = 0; done < 2 * kDepth; done += kBatch) {  // as many at once as below, so that every pool has grown
    for (int i = 0; i < kBatch; ++i) i % 2 == 0 ? subject->publish() : subject->publish_loan();
    for (int i = 0; i < kBatch; ++i) subject->take();
  }
  for (int done = 0; done < count; done += kBatch) {
    if (operation == "publish") {
      count_publish(*subject);
    } else if (operation == "loan") {
      count_loan(*subject);
    } else {
      for (int i = 0; i < kBatch; ++i) subject->publish();
    }
    if (operation == "take") {
      count_take(*subject);
    } else {
      for (int i = 0; i < kBatch; ++i) subject->take();
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  Plant plant = Plant::none;
  if (words.size() >= 2 && words[words.size() - 2] == "--plant") {
    plant = parse_plant(words.back());
    words.resize(words.size() - 2);
  }
  plant_instructions = plant == Plant::instructions;
  if (!words.empty() && words[0] == "quiet" && words.size() <= 2) {
    const std::string only = words.size() == 2 ? words[1] : "";
    if (!only.empty()) (void)find_kind(only);
    return check_quiet(only, plant);
  }
  if (words.size() == 4 && words[0] == "run") {
    if (words[2] != "publish" && words[2] != "loan" && words[2] != "take") usage();
    return run_counted(words[1], words[2], std::atoi(words[3].c_str()) / kBatch * kBatch);
  }
  usage();
}
