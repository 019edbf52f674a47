#pragma once

#include <string>
#include <vector>

namespace sluice::commands {

/// Texts in columns, each as wide as its longest text.
class Table {
 public:
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  /// To standard output.
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sluice::commands
