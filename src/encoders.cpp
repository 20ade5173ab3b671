// SPDX-License-Identifier: MIT

// The encoders that are chosen at run time, compiled once for all programs that link `contrastive::compiled`.
#define CONTRASTIVE_IMPLEMENTATION
#include "contrastive/encoders/image_encoder_parts.hpp"
#include "contrastive/encoders/text_encoder_parts.hpp"

template void contrastive::detail::walk(ImageEncoder&, const std::string&, const Leaves&);
template void contrastive::detail::walk(TextEncoder&, const std::string&, const Leaves&);
