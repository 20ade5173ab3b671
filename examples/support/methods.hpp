// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "support/run.hpp"

namespace app {

namespace methods {
extern const Program instdisc, cpc, invaspread, cmc, moco_v1, moco_v2, simclr, sup_con, byol, swav, simsiam,
    barlow_twins, moco_v3, dino, mae, nnclr, vicreg, dcl;
}

/// In the order of their papers.
const std::vector<const Program*>& all_methods();

/// Throws for a name that is none of them.
const Program& method_named(const std::string& name);

}  // namespace app
