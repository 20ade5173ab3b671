#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# From a fresh Debian or Ubuntu machine to a trained encoder and a page about it, in under ten minutes on two cores:
# installs what is missing, builds, trains SimCLR on Fashion-MNIST, evaluates, writes runs/quickstart/report.html.
#   examples/quickstart.sh [flags of simclr...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

start=$SECONDS
mkdir -p build
bash cmake/dependencies.sh install run
first=()
if [[ ! -f build/release/CMakeCache.txt ]]; then
  first=(-DCONTRASTIVE_BUILD_TESTS=OFF -DCONTRASTIVE_BUILD_BENCHMARKS=OFF)  # tests/run.sh takes that back
  if command -v ninja >/dev/null; then first+=(-G Ninja); fi
fi
cmake --preset release "${first[@]}" >build/quickstart.log 2>&1 ||
  { cat build/quickstart.log >&2; exit 1; }
echo "Building the trainer (about a minute the first time)"
cmake --build build/release --parallel "$(nproc)" --target simclr report >>build/quickstart.log 2>&1 ||
  { tail -40 build/quickstart.log >&2; exit 1; }

echo "Built in $((SECONDS - start)) s"

build/release/examples/simclr --epochs 2 --out runs/quickstart "$@"
echo "Quickstart took $((SECONDS - start)) s"
