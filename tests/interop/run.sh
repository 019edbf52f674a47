#!/usr/bin/env bash
# Interoperability of C++ and Python, unattended: both matrices, each with its table. Ends only what it started, and
# leaves nothing behind, also on Ctrl-C.
set -euo pipefail

usage() {
  cat <<'EOF'
tests/interop/run.sh [--long] [--repeat N]

  --long       10 s of each pair at 1 kHz, more messages, more kills
  --repeat N   everything N times

Uses build/release, or the build tree that SLUICE_BUILD names. Exit code: 0, 1 if anything failed, 2 for wrong usage,
124 if the watchdog ended it.
EOF
}

long=false
repeat=1
while [ $# -gt 0 ]; do
  case $1 in
    --long) long=true ;;
    --repeat)
      shift
      repeat=${1:-}
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
  shift
done
if ! [[ $repeat =~ ^[1-9][0-9]*$ ]]; then
  printf 'run.sh: --repeat needs a number from 1 on\n' >&2
  exit 2
fi

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "$source" && realpath "${SLUICE_BUILD:-build/release}")
packages=$(find "$build/lib" -maxdepth 3 -path '*-packages/sluice' -printf '%h' -quit 2>/dev/null || true)
if [ -z "$packages" ] || [ ! -x "$build/tests/queue_peer" ]; then
  printf 'run.sh: %s has no Python package and test programs; ./dev build\n' "$build" >&2
  exit 2
fi
export PYTHONPATH=$packages SLUICE_SOURCE=$source SLUICE_BUILD=$build SLUICE_BIN=$build/bin/sluice
export SLICK_PEER_LIBRARY=$build/tests/libslick_peer_atomics.so SLUICE_QUEUE_PEER=$build/tests/queue_peer
export ESHM_PEER_LIBRARY=$build/tests/libeshm_peer_atomics.so SLUICE_ESHM_CHANNEL_PEER=$build/tests/eshm_channel_peer
export PYTHONFAULTHANDLER=1 PYTHONUNBUFFERED=1

slick=(--repeat "$repeat")
eshm=(--repeat "$repeat")
patience=$((600 * repeat)) # a watchdog; the short form takes a minute or two
if $long; then
  slick+=(--messages 10000000)
  eshm+=(--seconds 10 --messages 500000 --round-trips 200000 --kills 5)
  patience=$((3600 + 1800 * repeat))
fi

child=
# The matrices end what they have started when they are told to; the rest of their process groups is ours, too.
stop() {
  local number=$1
  trap '' INT TERM HUP
  if [ -n "$child" ]; then
    kill -s INT "$child" 2>/dev/null || true
    wait "$child" || true
    kill -s KILL -- "-$child" 2>/dev/null || true
  fi
  exit $((128 + number))
}
trap 'stop 1' HUP
trap 'stop 2' INT
trap 'stop 15' TERM

# In a process group of its own, so that Ctrl-C comes to it once, from here; a shell's background job would ignore it.
failed=0
matrix() {
  local name=$1 code=0
  shift
  printf '\n== %s\n' "$name"
  setsid env --default-signal=INT timeout --foreground --signal INT --kill-after 60 "$patience" \
    /usr/bin/python3 -B "$source/tests/interop/$name" "$@" &
  child=$!
  wait "$child" || code=$?
  child=
  [ $code -eq 0 ] && return
  printf '== %s failed (%d)\n' "$name" $code >&2
  [ $failed -ne 0 ] || failed=$code
}

matrix python_slick_matrix.py "${slick[@]}"
matrix python_eshm_matrix.py "${eshm[@]}"
case $failed in
  0) printf '\n== interoperable: %d repetitions\n' "$repeat" ;;
  124) exit 124 ;;
  *) exit 1 ;;
esac
