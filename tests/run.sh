#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Installs what is missing (apt), builds a preset (default: release) and runs every test.
#   tests/run.sh [preset] [options for ctest...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=release
if [[ $# -gt 0 && $1 != -* ]]; then
  preset=$1
  shift
fi
jobs=${CONTRASTIVE_JOBS:-$(nproc)}

start=$SECONDS
bash cmake/dependencies.sh install run dev
installed=$SECONDS

generator=()
if [[ ! -f build/$preset/CMakeCache.txt && -z ${CMAKE_GENERATOR:-} ]] && command -v ninja >/dev/null; then
  generator=(-G Ninja)
fi
# The quickstart, run before, has configured the same folder without them.
cmake --preset "$preset" "${generator[@]}" -UCONTRASTIVE_BUILD_TESTS -UCONTRASTIVE_BUILD_BENCHMARKS
cmake --build "build/$preset" --parallel "$jobs"
built=$SECONDS

status=0
ctest --test-dir "build/$preset" --no-tests=error --output-on-failure --parallel "$jobs" "$@" </dev/null || status=$?
echo "tests/run.sh: $preset: packages $((installed - start)) s, build $((built - installed)) s," \
  "tests $((SECONDS - built)) s"
exit $status
