#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Writes what the methods say of themselves: each table in README.md and docs/ that stands behind a line
# `<!-- table: COMMAND -->` becomes what the command prints, and contrastive.hpp includes every header of methods/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for file in README.md docs/*.md; do
  grep -q '^<!-- table: ' "$file" || continue
  awk '
    /^<!-- table: / {
      print; print ""
      command = $0
      sub(/^<!-- table: /, "", command); sub(/ -->$/, "", command)
      while ((command | getline line) > 0) print line
      if (close(command) != 0) exit 1
      old = 1; next
    }
    old && (/^\|/ || /^$/ && !rows) { if (/^\|/) rows = 1; next }
    { old = rows = 0; print }' "$file" >"$file.new"
  mv "$file.new" "$file"
done

umbrella=include/contrastive/contrastive.hpp
for header in include/contrastive/methods/*.hpp; do
  line="#include \"${header#include/}\""
  grep -qxF "$line" "$umbrella" || echo "$line" >>"$umbrella"
done
bash cmake/format.sh "$umbrella" >/dev/null
