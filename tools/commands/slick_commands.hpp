#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "commands/commands.hpp"

/// `sluice slick`: any SlickQueue segment of any program.
namespace sluice::commands {

int slick_list(const Common& common);
int slick_info(const Common& common, const std::string& name);

struct SlickReadOptions {
  std::string name;
  std::string from = "next";  ///< next, oldest, last, or an index.
  std::string format = "hex";
  std::uint64_t count = 0;  ///< 0: until interrupted.
  bool no_wait = false;     ///< Stop at the end of what is there.
};
int slick_read(const Common& common, const SlickReadOptions& options);

struct SlickWriteOptions {
  std::string name;
  std::vector<std::string> texts;       ///< None: one message for each line of standard input.
  bool hex = false;                     ///< The texts are hexadecimal bytes.
  std::uint64_t count = 1;              ///< Times that all texts are written.
  double rate = 0;                      ///< Messages a second; 0: as fast as possible.
  std::optional<std::uint32_t> create;  ///< Capacity of the segment if there is none.
  std::uint32_t element = 0;            ///< Bytes of an element; needed to create.
};
int slick_write(const Common& common, const SlickWriteOptions& options);

struct SlickCleanOptions {
  std::vector<std::string> names;
  bool all = false;
  bool force = false;  ///< Also when processes that nobody may look into might have it mapped.
  bool dry_run = false;
};
int slick_clean(const Common& common, const SlickCleanOptions& options);

}  // namespace sluice::commands
