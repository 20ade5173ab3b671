#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every method on the same data with the same budget, then all of them on one page:
#
#   benchmarks/results.sh fashion --epochs 2                                   runs/results/fashion/*, runs/compare/fashion
#   METHODS="simclr byol" SEEDS="0 1 2" benchmarks/results.sh cifar10 --root DIR --image-size 32 --encoder resnet20
#
# Seeds of a method share a row of the table. A run that is there already is left alone. MAE takes its own encoder
# (vit_micro), CPC its patches; METHOD_vit is METHOD with vit_micro.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
data=${1:?"usage: benchmarks/results.sh DATA [flags of the trainers]"}
shift
train=build/release/examples/train
methods=${METHODS:-$($train --list | awk '/^[a-z]/ {print $1}') moco_v3_vit dino_vit}
runs=()
mkdir -p "runs/results/$data"
for seed in ${SEEDS:-0}; do
  for name in $methods; do
    method=${name%_vit} out=runs/results/$data/$name-$seed
    flags=("$@")
    case $name in
      cmc) [[ $data == fashion || $data == idx ]] && continue ;;  # grey has no colour to compare
      mae | *_vit) flags+=(--encoder vit_micro) ;;
      cpc) flags+=(--encoder patches) ;;
    esac
    if [[ ! -f $out/summary.json ]]; then
      echo "$name, seed $seed" >&2
      if ! $train "$method" --data "$data" --seed "$seed" --out "$out" "${flags[@]}" >"$out.log" 2>&1; then
        tail -n 2 "$out.log" >&2
        continue
      fi
    fi
    runs+=("$out")
  done
done
build/release/examples/compare --out "runs/compare/$data" "${runs[@]}"
