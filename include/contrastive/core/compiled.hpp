// SPDX-License-Identifier: MIT
#pragma once

/// Before the definition of a function that src/ compiles once: `inline` in header-only programs, which include it.
#if defined(CONTRASTIVE_IMPLEMENTATION)
#define CONTRASTIVE_ONCE
#else
#define CONTRASTIVE_ONCE inline
#endif
