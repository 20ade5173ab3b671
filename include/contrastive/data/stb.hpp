// SPDX-License-Identifier: MIT
#pragma once

// stb_image inside a namespace of ours: a program may hold its own copy, of any version, compiled its own way. Its
// functions have internal linkage, so each translation unit that decodes has its own.

#if defined(CONTRASTIVE_WITH_STB)

#if defined(stbi__err)
#error "include contrastive before the file's own STB_IMAGE_IMPLEMENTATION"
#endif

// What stb_image includes, taken in before the namespace opens.
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wcast-align"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif

#pragma push_macro("STBIDEF")
#pragma push_macro("STBI_INCLUDE_STB_IMAGE_H")
#pragma push_macro("STB_IMAGE_IMPLEMENTATION")
#undef STBIDEF
#undef STBI_INCLUDE_STB_IMAGE_H
#undef STB_IMAGE_IMPLEMENTATION
#define STBIDEF static
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
// A damaged JPEG may use a Huffman table that it never defined: all zeros, such a table is harmless, and no assertion
// needs to end the program.
#define STBI_MALLOC(bytes) ::calloc(1, bytes)
#define STBI_REALLOC(block, bytes) ::realloc(block, bytes)
#define STBI_FREE(block) ::free(block)
#define STBI_ASSERT(condition) ((void)0)
namespace contrastive::detail::stb {
using ::abs, ::pow;  // before the tensor operations of the same names
#include <stb/stb_image.h>
}  // namespace contrastive::detail::stb
#undef STBI_MALLOC
#undef STBI_REALLOC
#undef STBI_FREE
#undef STBI_ASSERT
#undef stbi__err
#undef stbi__errpf
#undef stbi__errpuc
#undef STBI_ONLY_JPEG
#undef STBI_ONLY_PNG
#undef STBI_ONLY_BMP
#undef STBI_ONLY_GIF
#undef STBI_NO_STDIO
#undef STBI_NO_LINEAR
#undef STBI_NO_HDR
#pragma pop_macro("STB_IMAGE_IMPLEMENTATION")
#pragma pop_macro("STBI_INCLUDE_STB_IMAGE_H")
#pragma pop_macro("STBIDEF")

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#endif  // CONTRASTIVE_WITH_STB
