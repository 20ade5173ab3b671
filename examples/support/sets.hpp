// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "contrastive/data/dataset.hpp"
#include "contrastive/data/open.hpp"
#include "support/run.hpp"

namespace app {

struct Sets {
  AnyDataset train;  // what a method learns from; it may have no labels
  AnyDataset bank;   // what evaluation learns from: STL-10's labelled part, else the training part
  AnyDataset test;   // what evaluation tests on; a folder may have none

  /// Why evaluation is left out, as a sentence; empty where both of its parts have labels.
  std::string no_scores() const;
};

/// STL-10's training part is its unlabelled pictures where they are to be learned from.
Sets open_sets(const Settings& s, bool to_learn = false);

}  // namespace app
