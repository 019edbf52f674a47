#!/usr/bin/env bash
# Runs the benchmarks: all of them, or the one that is named. Results as a table; ratios within one run are what counts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

printf '%s, %s cores, Linux %s\n' "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)"
name=${1:-ring}
program=build/release/bin/bench_$name
if [ ! -x "$program" ]; then
  printf "bench: there is no benchmark '%s'; there is: ring\n" "$name" >&2
  exit 2
fi
exec "$program" "${@:2}"
