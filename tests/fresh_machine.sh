#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Makes a bare system in a folder and follows the README in it.
#   tests/fresh_machine.sh bookworm|trixie [--folder DIR] [--keep] [--only-packages] [commands...]
# Needs root and debootstrap. Without --folder the system is made below TMPDIR and removed afterwards; a folder that
# already holds one is used as it is. --only-packages stops when every package name was resolved. The default commands
# are the README's two: "bash examples/quickstart.sh" and "bash tests/run.sh".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

suite=${1:-}
case $suite in
  bookworm | trixie) shift ;;
  *) echo "usage: tests/fresh_machine.sh bookworm|trixie [--folder DIR] [--keep] [--only-packages] [commands...]" >&2; exit 2 ;;
esac
folder="" keep=no only_packages=no
commands=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --folder) folder=${2:?--folder needs a path}; keep=yes; shift ;;
    --keep) keep=yes ;;
    --only-packages) only_packages=yes ;;
    *) commands+=("$1") ;;
  esac
  shift
done
[[ ${#commands[@]} -gt 0 ]] || commands=("bash examples/quickstart.sh" "bash tests/run.sh")

[[ $(id -u) -eq 0 ]] || { echo "fresh_machine: needs root (debootstrap, chroot)" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "fresh_machine: debootstrap not found (apt install debootstrap)" >&2; exit 1; }

[[ -n $folder ]] || folder=$(mktemp -d "${TMPDIR:-/tmp}/fresh_$suite.XXXXXX")
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

finish() {
  local status=$?
  umount "$folder/proc" 2>/dev/null || true
  umount "$folder/dev" 2>/dev/null || true
  if [[ $keep == no ]] && ! grep -q " $folder/" /proc/mounts; then rm -rf --one-file-system "$folder"; fi
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

mirror=${CONTRASTIVE_MIRROR:-http://deb.debian.org/debian}
start=$SECONDS
if [[ ! -x $folder/usr/bin/apt-get ]]; then
  debootstrap --variant=minbase "$suite" "$folder" "$mirror"
fi
cat >"$folder/etc/apt/sources.list" <<SOURCES
deb $mirror $suite main
deb $mirror $suite-updates main
SOURCES

# How this machine reaches the packages (proxy, certificates, name server) holds for the new one too.
cp -a /etc/apt/apt.conf.d/. "$folder/etc/apt/apt.conf.d/"
for part in apt.conf auth.conf auth.conf.d; do
  [[ ! -e /etc/apt/$part ]] || cp -a "/etc/apt/$part" "$folder/etc/apt/"
done
cp -L /etc/resolv.conf "$folder/etc/resolv.conf"
cp -L /etc/hosts "$folder/etc/hosts"
for certificates in /usr/local/share/ca-certificates /etc/ssl/certs; do
  [[ ! -d $certificates ]] || { mkdir -p "$folder$certificates"; cp -aL "$certificates/." "$folder$certificates/" 2>/dev/null || true; }
done

mkdir -p "$folder/proc" "$folder/dev"
mountpoint -q "$folder/proc" || mount -t proc proc "$folder/proc"
mountpoint -q "$folder/dev" || mount --bind /dev "$folder/dev"

# A clone: what is committed, and nothing that was built here.
rm -rf "$folder/root/contrastive"
git clone --quiet --no-hardlinks . "$folder/root/contrastive"
git -C "$folder/root/contrastive" log -1 --format='fresh_machine: %h %s'

inside() {
  local environment=(HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" DEBIAN_FRONTEND=noninteractive
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
  local name
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [[ -z ${!name:-} ]] || environment+=("$name=${!name}")
  done
  chroot "$folder" env -i "${environment[@]}" bash -c "cd /root/contrastive && $1" </dev/null
}

inside "apt-get update -q"
inside 'apt-get install -s -qq --no-install-recommends $(bash cmake/dependencies.sh list run dev) >/dev/null'
echo "fresh_machine: $suite made, every package name resolves ($((SECONDS - start)) s)"
[[ $only_packages == no ]] || exit 0

for command in "${commands[@]}"; do
  start=$SECONDS
  echo "fresh_machine: $suite: $command"
  inside "$command"
  echo "fresh_machine: $suite: $command: $((SECONDS - start)) s"
done
echo "fresh_machine: $suite: all commands passed"
