#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# How far the tests of learning stand from their bounds (tests/support/learning.hpp). Runs the test cases tagged [learns]
# for each instruction set of this machine, for 1, 2 and 3 threads and for five seeds, each varied alone, and prints for
# every assertion and each of the three its n, mean, deviation, bound and the deviations from mean to bound. Exits with 1
# where there are less than three.
#   tests/sweep.sh [build folder, default build/release] [names or tags of test cases, default all]
# Records stay in BUILD/sweep/; CONTRASTIVE_SWEEP=report prints those that are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${1:-build/release}
cases=${2:-}
records=$build/sweep
mkdir -p "$records"

# What oneDNN may use follows the library's own choice, as on a machine that has no more.
levels=(base)
declare -A onednn=([base]=SSE41 [avx2]=AVX2 [avx512]=ALL)
grep -qw avx2 /proc/cpuinfo && levels+=(avx2)
grep -qw avx512vl /proc/cpuinfo && levels+=(avx512)
best=${levels[-1]}

# Runs one variation: level, threads, seed.
run() {
  local record=$records/$1-$2-$3.tsv
  rm -f "$record"
  for program in "$build"/tests/test_{methods,eval,train,programs}; do
    CONTRASTIVE_ISA=$1 ONEDNN_MAX_CPU_ISA=${onednn[$1]} DNNL_MAX_CPU_ISA=${onednn[$1]} OMP_NUM_THREADS=$2 \
      OMP_WAIT_POLICY=passive CONTRASTIVE_TEST_SEED=$3 CONTRASTIVE_TEST_RECORD=$PWD/$record \
      "$program" "[learns]$cases" >"${record%.tsv}.$(basename "$program").log" 2>&1 </dev/null || true
  done
  echo "sweep: $1, $2 threads, seed $3: $(wc -l <"$record") numbers" >&2
}

# What does not vary is the best instruction set, one thread (which does not wait for others on a busy machine) and seed 0.
variations=()
for level in "${levels[@]}"; do variations+=("$level 1 0"); done
variations+=("$best 2 0" "$best 3 0")
for seed in 1 2 3 4; do variations+=("$best 1 $seed"); done
if [[ ${CONTRASTIVE_SWEEP:-} != report ]]; then
  for variation in "${variations[@]}"; do run $variation; done
fi

# A file counts for each of the three that it is a value of.
for variation in "${variations[@]}"; do
  read -r level threads seed <<<"$variation"
  awk -v level="$level" -v threads="$threads" -v seed="$seed" -v best="$best" '
    BEGIN { FS = OFS = "\t" }
    threads == 1 && seed == 0 { print $0, "instruction sets" }
    level == best && seed == 0 { print $0, "threads" }
    level == best && threads == 1 { print $0, "seeds" }' "$records/$level-$threads-$seed.tsv"
done | awk '
  BEGIN { FS = "\t"; OFS = "\t" }
  { k = $1 FS $2 FS $4 FS $5; ++n[k]; sum[k] += $3; all[k] = all[k] " " $3 }
  END {
    for (k in n) {
      split(k, part, FS)
      mean = sum[k] / n[k]
      m = split(all[k], x, " "); s = 0
      for (i = 1; i <= m; ++i) s += (x[i] - mean) ^ 2
      deviation = m > 1 ? sqrt(s / (m - 1)) : 0
      distance = part[2] == "above" ? mean - part[3] : part[3] - mean
      margin = deviation > 0 ? distance / deviation : distance > 0 ? 1e9 : -1e9
      printf "%.2f\t%s\t%s\t%d\t%.5g\t%.3g\t%s %.5g\n", margin, part[1], part[4], n[k], mean, deviation, part[2], part[3]
    }
  }' | sort -g | awk '
  BEGIN { FS = OFS = "\t"; print "margin", "assertion", "over", "n", "mean", "deviation", "bound" }
  { if ($1 < 3) ++near; if ($1 >= 1e8) $1 = "exact"; print }
  END { printf "\n%d of %d stand less than three deviations from their bounds\n", near, NR; exit near > 0 }'
