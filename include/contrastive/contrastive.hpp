// SPDX-License-Identifier: MIT
#pragma once

// Everything that composes a method and trains it. Programs that want less include less: each header stands alone.
#include "contrastive/augment/recipes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/encoders/resnet.hpp"
#include "contrastive/methods/byol.hpp"
#include "contrastive/methods/moco_v2.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/methods/simsiam.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/nn/sequential.hpp"
#include "contrastive/objectives/info_nce.hpp"
#include "contrastive/objectives/negative_cosine.hpp"
#include "contrastive/objectives/nt_xent.hpp"
#include "contrastive/ops/ops.hpp"
#include "contrastive/optim/adamw.hpp"
#include "contrastive/optim/clip.hpp"
#include "contrastive/optim/lars.hpp"
#include "contrastive/optim/schedule.hpp"
#include "contrastive/optim/sgd.hpp"
#include "contrastive/tensor/gradcheck.hpp"
