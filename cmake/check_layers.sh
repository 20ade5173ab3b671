#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every header includes only its own layer and those it stands on. Each line of `rules` is a layer and all it may use.
# A layer is a folder of include/contrastive/; io/report is one of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Every file that a document names exists: not in docs/guides/, which name files to come, and not of examples/, where the
# names of other repositories begin so too.
grep -rhoE '`(benchmarks|cmake|configs|docs|include|tests)/[A-Za-z0-9_./-]+`' README.md configs/README.md \
  docs/*.md docs/methods | tr -d '`' | sort -u | grep -v NAME | while read -r path; do
  [[ -e $path ]] || { echo "check_layers: a document names $path, which is not there"; exit 1; }
done

rules='
core
kernels           core
tensor            core kernels
ops               core kernels tensor
nn                core kernels tensor ops
encoders          core kernels tensor ops nn
media             core
io/report         core tensor io media
io                core tensor media
text              core io
augment           core kernels tensor media
data              core kernels tensor io media augment
weights           core kernels tensor ops nn encoders media augment io
optim             core kernels tensor ops nn
dist              core kernels tensor
objectives        core kernels tensor ops nn media dist
methods           core kernels tensor ops nn encoders augment media optim objectives dist
eval              core kernels tensor ops nn encoders augment data media text optim objectives dist io
train             core kernels tensor ops nn encoders augment data media text optim objectives methods dist eval io io/report weights
search            core kernels tensor ops augment data media text eval io train
interop           core tensor
'

find include/contrastive \( -name '*.hpp' -o -name '*.cuh' \) -print0 | sort -z |
  xargs -0 grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]contrastive/' |
  awk -v rules="$rules" '
    BEGIN {
      lines = split(rules, line, "\n")
      for (i = 1; i <= lines; ++i) {
        words = split(line[i], word, " ")
        if (words == 0) continue
        known[word[1]] = 1
        may[word[1], word[1]] = 1
        for (j = 2; j <= words; ++j) may[word[1], word[j]] = 1
      }
    }
    function layer(path) {
      if (path ~ /^io\/report/) return "io/report"
      if (path !~ /\//) return ""  # contrastive.hpp, fwd.hpp: the umbrella
      sub(/\/.*/, "", path)
      return path
    }
    {
      split($0, part, ":")
      file = part[1]
      sub(/^include\/contrastive\//, "", file)
      included = $0
      sub(/^.*[<"]contrastive\//, "", included)
      sub(/[>"].*$/, "", included)
      from = layer(file)
      to = layer(included)
      ++count
      if (from == "") next
      if (!(from in known)) { print part[1] ":" part[2] ": layer " from " is not in cmake/check_layers.sh"; bad = 1; next }
      if (to == "" || !((from, to) in may)) {
        print part[1] ":" part[2] ": layer " from " must not include contrastive/" included
        bad = 1
      }
    }
    END {
      if (count == 0) { print "check_layers: nothing to check"; exit 1 }
      if (!bad) print "check_layers: " count " includes keep the layers"
      exit bad
    }'

for header in include/contrastive/methods/*.hpp; do
  grep -qF "\"${header#include/}\"" include/contrastive/contrastive.hpp ||
    { echo "contrastive.hpp does not include $header (cmake/tables.sh adds it)"; exit 1; }
done
