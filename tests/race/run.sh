#!/usr/bin/env bash
# run.sh clean PROGRAM ARGUMENTS: runs it; ThreadSanitizer must have nothing to say.
# run.sh racing PROGRAM ARGUMENTS: ThreadSanitizer must report a data race.
set -uo pipefail
expected=$1
shift

halt=0
if [ "$expected" = racing ]; then  # with a line spoilt, programs need not come to an end
  halt=1
  set -- timeout --signal=KILL 20 "$@"
fi
# addr2line comes with every compiler; clang's own symbolizer is another package.
options="exitcode=66 halt_on_error=$halt external_symbolizer_path=/usr/bin/addr2line"
export TSAN_OPTIONS="$options ${TSAN_OPTIONS:-}"
# A race ends the program on the spot, so somebody else has to clean up.
SLUICE_TEST_DIRECTORY=$(mktemp -d /dev/shm/sluice-race-XXXXXX) || exit 1
export SLUICE_TEST_DIRECTORY
trap 'rm -rf "$SLUICE_TEST_DIRECTORY" "/dev/shm/eshm_$(basename "$SLUICE_TEST_DIRECTORY")"' EXIT

run() {
  output=$("$@" 2>&1)
  code=$?
  # With many random bits in addresses the sanitizer's runtime finds its own places taken and gives up at once.
  if grep -q 'ThreadSanitizer: unexpected memory mapping' <<<"$output"; then
    output=$(setarch --addr-no-randomize "$@" 2>&1)
    code=$?
  fi
}

run "$@"
case $expected in
clean)
  printf '%s\n' "$output" | head -n 200
  exit $code
  ;;
racing)
  # Some races need two threads to meet, which takes its time on a busy machine.
  for ((attempt = 1; SECONDS < 240; ++attempt)); do
    if [ $code = 66 ] && grep -q 'WARNING: ThreadSanitizer: data race' <<<"$output"; then
      printf 'run %s: ' "$attempt"
      grep -m 1 'SUMMARY: ThreadSanitizer: data race' <<<"$output"
      exit 0
    fi
    run "$@"
  done
  printf '%s\n' "$output" | head -n 50
  printf 'the race that was planted was not reported (exit code %s)\n' $code
  exit 1
  ;;
esac
