// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "contrastive/data/dataset.hpp"
#include "contrastive/data/open.hpp"
#include "support/run.hpp"

namespace app {

struct Sets {
  AnyDataset train;      // what a method learns from; it may have no labels
  AnyDataset bank;       // what evaluation learns from: STL-10's labelled part, else the training part
  AnyDataset test;       // what evaluation tests on, in the classes of `bank`; a folder may have none
  std::string unusable;  // what is wrong with a test part that is there and left out

  /// Why evaluation is left out, as a sentence; empty where both of its parts have labels.
  std::string no_scores() const;
};

/// What `open_dataset` needs of a run's settings.
DatasetOptions dataset_options(const Settings& s);

/// What the samples of a set are called: pictures, recordings.
const char* noun_of(const AnyDataset& set);

/// Opens the parts and matches the classes of those that evaluation compares. STL-10's training part is its unlabelled
/// pictures if they are `to_learn` from.
Sets open_sets(const Settings& s, bool to_learn = false);

}  // namespace app
