# SPDX-License-Identifier: MIT
#
# What this repository's own targets are built with; nothing of it reaches a consumer.

add_library(contrastive_developer INTERFACE)
target_compile_options(contrastive_developer INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>>)
if(CONTRASTIVE_WERROR)
  target_compile_options(contrastive_developer INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()

if(CONTRASTIVE_SANITIZE)
  add_compile_options(-fsanitize=${CONTRASTIVE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CONTRASTIVE_SANITIZE})
endif()

find_program(CONTRASTIVE_CCACHE ccache)
mark_as_advanced(CONTRASTIVE_CCACHE)
if(PROJECT_IS_TOP_LEVEL AND CONTRASTIVE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers can be cached when ccache is told what it may overlook.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CONTRASTIVE_CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
  endif()
endif()

# What tests, examples and benchmarks link.
add_library(contrastive_program INTERFACE)
target_link_libraries(contrastive_program INTERFACE contrastive_compiled contrastive_developer)

# The page of image_search.
contrastive_find_library(contrastive::httplib httplib.h cpp-httplib)
if(TARGET contrastive::httplib)
  message(STATUS "contrastive: cpp-httplib: found")
else()
  message(STATUS "contrastive: cpp-httplib: not found (libcpp-httplib-dev). image_search serve has no page.")
endif()
# Its graph for millions of images.
contrastive_find_library(contrastive::hnswlib hnswlib/hnswlib.h "")
if(TARGET contrastive::hnswlib)
  message(STATUS "contrastive: hnswlib: found")
else()
  message(STATUS "contrastive: hnswlib: not found (libhnswlib-dev). image_search has no --approximate.")
endif()
# The texts of SigLIP's published weights.
contrastive_find_library(contrastive::sentencepiece sentencepiece_processor.h sentencepiece)
if(TARGET contrastive::sentencepiece)
  message(STATUS "contrastive: SentencePiece: found")
else()
  message(STATUS "contrastive: SentencePiece: not found (libsentencepiece-dev). Published weights of SigLIP have no texts.")
endif()
