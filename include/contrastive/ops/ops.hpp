// SPDX-License-Identifier: MIT
#pragma once

// Every operation.
#include "contrastive/ops/attention.hpp"
#include "contrastive/ops/box_codes.hpp"
#include "contrastive/ops/boxes.hpp"
#include "contrastive/ops/conv1d.hpp"
#include "contrastive/ops/conv2d.hpp"
#include "contrastive/ops/cross_attention.hpp"
#include "contrastive/ops/custom.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/norm.hpp"
#include "contrastive/ops/patches.hpp"
#include "contrastive/ops/pool.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/resize.hpp"
#include "contrastive/ops/roi_align.hpp"
#include "contrastive/ops/softmax.hpp"
#include "contrastive/ops/sum_of_parts.hpp"
