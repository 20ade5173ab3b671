#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# cmake/format.sh            formats every source in place
# cmake/format.sh --check    fails where something would change
# clang-format 14 is the reference: releases differ in small things.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tool=${CLANG_FORMAT:-}
for candidate in clang-format-14 clang-format; do
  [[ -z $tool ]] && command -v "$candidate" >/dev/null && tool=$candidate
done
if [[ -z $tool ]]; then
  echo "format: clang-format not found, nothing done" >&2
  exit 0
fi
release=$("$tool" --version | sed -E 's/.*version ([0-9]+).*/\1/')
action=(-i)
if [[ ${1:-} == --check ]]; then
  if [[ $release != 14 ]]; then
    echo "format: clang-format $release here, 14 is the reference: not checked"
    exit 0
  fi
  action=(--dry-run -Werror)
fi
find include src tests examples benchmarks \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cuh' -o -name '*.cu' \) -print0 |
  xargs -0 "$tool" "${action[@]}"
echo "format: done with clang-format $release"
