// SPDX-License-Identifier: MIT
// expect: class_names
#include <string>
#include <vector>

#include "contrastive/data/dataset.hpp"

using namespace contrastive;

struct Black {
  std::size_t size() const { return 1; }
  Image image(std::size_t) const { return Image(1, 1, 3); }
  int label(std::size_t) const { return -1; }
#if !defined(FAIL)
  std::vector<std::string> class_names() const { return {}; }
#endif
  std::string name() const { return "black"; }
};

int main() { return static_cast<int>(AnyDataset(Black{}).size()); }
