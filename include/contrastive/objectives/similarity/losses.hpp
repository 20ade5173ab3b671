// SPDX-License-Identifier: MIT
#pragma once

/// The losses over the engine, for borrowed matrices: value and all gradients at once. The engine gives the sums over
/// everything but the positives; the positives are added here, each row in O(D), where 1 - p is known without
/// cancellation.
#include "contrastive/objectives/similarity/one_look.hpp"         // IWYU pragma: export
#include "contrastive/objectives/similarity/softmax_classes.hpp"  // IWYU pragma: export
#include "contrastive/objectives/similarity/softmax_pairs.hpp"    // IWYU pragma: export
