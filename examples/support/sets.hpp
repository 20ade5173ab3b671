// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "contrastive/data/dataset.hpp"
#include "contrastive/data/open.hpp"
#include "support/run.hpp"

namespace app {

struct Sets {
  AnyDataset train, test;
};

/// The training part by its name ("unlabeled" for STL-10's many), and the part that evaluation tests on; a folder may
/// have none.
Sets open_sets(const Settings& s, const std::string& train_split = "train");

}  // namespace app
