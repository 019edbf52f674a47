#include <vector>

#include "limits/pages.hpp"
#include "rows/rows.hpp"

namespace sluice::bench {

namespace {

constexpr std::size_t kBlockSize = std::size_t{4} << 20U;

Outcome per_run(std::uint64_t runs, auto work) {
  Outcome outcome;
  outcome.value = median_part_ns(runs, work);
  return outcome;
}

Outcome copying(std::uint64_t runs) {
  const SharedMemory from(kBlockSize);
  const SharedMemory to(kBlockSize);
  return per_run(runs, [&] { limits::copy_once({to.data(), kBlockSize}, {from.data(), kBlockSize}); });
}

Outcome touching(std::uint64_t runs) {
  const SharedMemory memory(kBlockSize);
  return per_run(runs, [&] { (void)limits::touch_pages({memory.data(), kBlockSize}); });
}

}  // namespace

void add_memory_rows(Rows& rows, Effort effort) {
  const std::uint64_t runs = effort.of(200);
  rows.push_back({"memory of 4 MiB, one process",
                  "touching its pages",
                  "one copy",
                  Unit::ns,
                  [=] { return copying(runs); },
                  [=] { return touching(runs); },
                  {}});
}

}  // namespace sluice::bench
