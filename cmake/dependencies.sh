#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The Debian and Ubuntu packages of this project, in one place.
#   cmake/dependencies.sh install [run] [dev]   installs what is missing (through sudo unless root)
#   cmake/dependencies.sh missing [run] [dev]   prints what is missing
#   cmake/dependencies.sh list    [run] [dev]   prints all
# Groups: run builds and runs the programs on their default data; dev adds tests, benchmarks and checks.
set -euo pipefail

run_packages=(
  g++ make cmake ninja-build ccache ca-certificates
  libeigen3-dev libdnnl-dev libjpeg-dev zlib1g-dev libstb-dev libsndfile1-dev libfreetype-dev libharfbuzz-dev
  libcli11-dev nlohmann-json3-dev libcpp-httplib-dev libhnswlib-dev libsentencepiece-dev
  dataset-fashion-mnist fonts-noto-color-emoji unicode-data
)
dev_packages=(catch2 libxtensor-dev libbenchmark-dev clang-format)

action=${1:-list}
[[ $# -gt 0 ]] && shift
packages=()
for group in "${@:-run}"; do
  case $group in
    run) packages+=("${run_packages[@]}") ;;
    dev) packages+=("${dev_packages[@]}") ;;
    *) echo "dependencies.sh: unknown group '$group' (run, dev)" >&2; exit 2 ;;
  esac
done

missing() {
  local package
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
  done
}

case $action in
  list) printf '%s\n' "${packages[@]}" ;;
  missing) if command -v dpkg-query >/dev/null; then missing; fi ;;
  install)
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
      echo "dependencies.sh: no apt here; these packages' counterparts must be present: ${packages[*]}" >&2
      exit 0
    fi
    mapfile -t wanted < <(missing)
    [[ ${#wanted[@]} -eq 0 ]] && exit 0
    echo "Installing: ${wanted[*]}"
    as_root=()
    if [[ $(id -u) -ne 0 ]]; then
      command -v sudo >/dev/null || { echo "dependencies.sh: needs root or sudo to install: ${wanted[*]}" >&2; exit 1; }
      as_root=(sudo)
    fi
    export DEBIAN_FRONTEND=noninteractive
    # The lists may be absent or old: refresh them once if the names do not resolve.
    "${as_root[@]}" apt-get install -s --no-install-recommends "${wanted[@]}" >/dev/null 2>&1 ||
      "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${wanted[@]}" \
      </dev/null
    ;;
  *) echo "dependencies.sh: unknown action '$action' (install, missing, list)" >&2; exit 2 ;;
esac
