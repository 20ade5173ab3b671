#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every header compiles alone: check.sh INCLUDE_DIR COMPILER FLAGS_FILE [SKIP_PATTERN]
set -euo pipefail
include=$1 compiler=$2 flags=$3 skip=${4:-^$}

export compiler flags
one() {
  printf '#include "%s"\n' "$1" | "$compiler" "@$flags" -x c++ -fsyntax-only - || { echo "does not compile alone: $1"; exit 1; }
}
export -f one
cd "$include"
mapfile -t headers < <(find contrastive -name '*.hpp' | grep -vE "$skip" | sort)
printf '%s\n' "${headers[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one {}'
echo "${#headers[@]} headers compile alone"
