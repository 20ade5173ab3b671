#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What including the library costs a compiler, in seconds of processor time (best of three), without CMake or a
# precompiled header: `CXX=clang++ benchmarks/compile_time.sh`.
set -euo pipefail
cd "$(dirname "$0")/.."
CXX=${CXX:-g++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=c++20 -O2 -fopenmp -Iinclude -Iexamples -I"${EIGEN:-/usr/include/eigen3}" -DCONTRASTIVE_WITH_OPENMP)
for part in ONEDNN:oneapi/dnnl/dnnl.hpp ZLIB:zlib.h STB:stb/stb_image.h; do
  if echo "#include <${part#*:}>" | "$CXX" -E -x c++ - >"$work/probe" 2>&1; then flags+=("-DCONTRASTIVE_WITH_${part%%:*}"); fi
done

failed=0
# measure NAME LIMIT FILE [FLAG...]; limit 0: only reported
measure() {
  local name=$1 limit=$2 file=$3 best='' seconds
  shift 3
  for _ in 1 2 3; do
    seconds=$( { TIMEFORMAT='%U %S'; time "$CXX" "${flags[@]}" "$@" -c "$file" -o "$work/object.o" 2>"$work/messages"; } 2>&1 |
      awk '{printf "%.2f", $1 + $2}')
    if [ ! -e "$work/object.o" ]; then cat "$work/messages"; exit 1; fi
    rm "$work/object.o"
    if [ -z "$best" ] || awk "BEGIN {exit !($seconds < $best)}"; then best=$seconds; fi
    if [ "$limit" = 0 ]; then break; fi
  done
  local verdict=''
  if [ "$limit" != 0 ]; then
    verdict="limit $limit"
    if awk "BEGIN {exit !($best > $limit)}"; then verdict="$verdict: EXCEEDED" failed=1; fi
  fi
  printf '%-52s %6.2f s  %s\n' "$name" "$best" "$verdict"
}

echo '#include "contrastive/contrastive.hpp"' >"$work/umbrella.cpp"
echo '#include "contrastive/objectives/info_nce.hpp"' >"$work/objective.cpp"
measure 'umbrella header alone, header-only' 8 "$work/umbrella.cpp"
measure 'objectives/info_nce.hpp alone, header-only' 2.5 "$work/objective.cpp"
measure 'examples/simclr.cpp, with the compiled kernels' 25 examples/simclr.cpp -DCONTRASTIVE_COMPILED
measure 'examples/twenty_lines.cpp, with the compiled kernels' 25 examples/twenty_lines.cpp -DCONTRASTIVE_COMPILED
measure 'examples/twenty_lines.cpp, header-only' 0 examples/twenty_lines.cpp
measure 'src/contrastive.cpp: the kernels, once' 0 src/contrastive.cpp -DCONTRASTIVE_COMPILED
exit $failed
