#!/usr/bin/env bash
# ./dev verify [campaign]: what takes too long for every change. Prints the time of each campaign; the first failure
# ends it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

campaign() {
  local name=$1 started=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@"
  printf '== %s: %d s\n' "$name" $((SECONDS - started))
}

# 4 publishers, 4 subscriptions, a million checksummed messages, compared with the publishers' own logs.
million() {
  for kind in release asan; do
    build/$kind/tests/ring_stress run --reliability reliable --writers 4 --readers 4 --messages 1000000
    build/$kind/tests/ring_stress run --reliability best_effort --writers 4 --readers 4 --messages 1000000
  done
}

# Ten million messages of 0 bytes to 8 MiB for each reliability, by loan, by copy and in batches.
pool() {
  local seed reliability
  for seed in $(seq 1 10); do
    for reliability in reliable best_effort; do
      build/release/tests/pool_stress --reliability $reliability --messages 950000 --max-size 32768 --seed "$seed"
      build/release/tests/pool_stress --reliability $reliability --messages 50000 --seed "$seed"
    done
  done
  build/asan/tests/pool_stress --reliability reliable --messages 50000 --seed 11
}

# Kills, stops and restarts of publishers and subscriptions at random moments.
crashes() {
  for seed in $(seq 1 10); do
    for reliability in reliable best_effort; do
      build/release/tests/ring_stress crash --reliability $reliability --actions 300 --seed "$seed"
    done
  done
  build/asan/tests/ring_stress crash --reliability reliable --actions 200 --seed 11
}

# One side of an ESHM channel is killed or leaves, and comes back, a thousand times in each way.
eshm_cycles() {
  build/release/tests/eshm_cycles --cycles 1000 --seed 2
}

# kill -9 of a random process of the demo at a random moment, a hundred times.
demo_kills() {
  SLUICE_BIN=$PWD/build/release/bin/sluice SLUICE_SOURCE=$PWD SLUICE_BUILD=$PWD/build/release SLUICE_DEMO_KILLS=100 \
    /usr/bin/python3 -B tests/e2e/demo_test.py
}

# Whatever depends on luck shows itself in a hundred runs.
repeat() {
  local program
  for program in unit_shm unit_transport unit_node unit_slick; do
    for run in $(seq 1 100); do
      "build/release/tests/$program" >/tmp/sluice-verify.log 2>&1 || {
        printf '%s failed in run %d:\n' "$program" "$run"
        cat /tmp/sluice-verify.log
        exit 1
      }
    done
    printf '%s: 100 runs passed\n' "$program"
  done
}

# The whole suite where there is no network at all, not even a loopback interface that is up.
no_network() {
  local user=(--map-current-user)
  [ "$(id -u)" != 0 ] || user=()  # root stays the root that can become others
  unshare "${user[@]}" --net ctest --test-dir build/release --output-on-failure
}

# The command line and the launcher with sanitizers, and what asks them beside the independent peers.
sanitized_tools() {
  cmake --preset asan -B build/asan_tools -DSLUICE_BUILD_TOOLS=ON
  cmake --build build/asan_tools
  ctest --test-dir build/asan_tools --output-on-failure -R 'unit_commands|unit_launch|interop_|stress_graph'
}

# Real processes with sanitizers, beside the independent peers. The self tests of the other side's programs are none of
# ours, and not compiled with sanitizers.
sanitized_processes() {
  ./dev build asan
  ctest --test-dir build/asan --output-on-failure -L 'interop|stress' -E 'peer_selftest|wake_ups|stress_soak'
}

# The shipped transports as a part of the library, and libraries where Debian puts them.
static_plugins() {
  cmake --preset release -B build/static_plugins -DSLUICE_STATIC_PLUGINS=ON -DSLUICE_BUILD_BENCHMARKS=OFF \
    -DCMAKE_INSTALL_LIBDIR=lib/x86_64-linux-gnu
  cmake --build build/static_plugins
  ctest --test-dir build/static_plugins --output-on-failure -L 'unit|e2e'
}

# All of Sluice built inside another project; ./dev test builds a part of it there.
outer_project() {
  SLUICE_BIN=$PWD/build/release/bin/sluice SLUICE_SOURCE=$PWD SLUICE_BUILD=$PWD/build/release \
    SLUICE_TEST_WHOLE_OUTER_PROJECT=1 /usr/bin/python3 -B tests/e2e/outer_project_test.py
}

# The Python package as pip makes it when nothing is built yet; ./dev test takes the build tree's files.
python_wheel() {
  rm -rf build/pip
  SLUICE_BIN=$PWD/build/release/bin/sluice SLUICE_SOURCE=$PWD SLUICE_BUILD=$PWD/build/release \
    SLUICE_TEST_WHEEL_FROM_SCRATCH=1 /usr/bin/python3 -B tests/e2e/python_package_test.py InVirtualEnvironment Leaving
}

# The whole suite with the second compiler, optimised. The budgets are those of the first one.
clang() {
  ./dev build clang
  ctest --test-dir build/clang --output-on-failure -LE budget
}

# sluice::core and the transports for a processor with another memory model, emulated: what compiles differently is
# run, but the emulator orders memory no less than this machine does.
aarch64() {
  local emulator=(qemu-aarch64 -L /usr/aarch64-linux-gnu) tests=build/aarch64/tests reliability program
  ./dev build aarch64 sluice_plugin_slick sluice_plugin_inproc unit_shm unit_transport unit_slick interop_slick \
    ring_stress
  for program in unit_shm unit_transport unit_slick; do "${emulator[@]}" "$tests/$program"; done
  # Where foreign producers may be seen late, the oldest element of a full ring is given up; the tests are exact.
  "${emulator[@]}" "$tests/interop_slick" '~[full lap]'
  for reliability in reliable best_effort; do
    "${emulator[@]}" "$tests/ring_stress" run --reliability $reliability --writers 2 --readers 2 --messages 20000
  done
}

# Every kill point, killed and stopped at more hits, with several seeds.
kill_points() {
  local seed world
  ./dev build killpoints kill_campaign
  for seed in 2 3 4 5 6; do
    for world in reliable best_effort raw raw_reliable control eshm; do
      build/killpoints/tests/kill_campaign $world --seed $seed --rounds 2
    done
  done
}

# Processes of topics on channels, killed at random, with several seeds.
eshm_topics() {
  local seed
  local -x SLUICE_ESHM_TOPIC_KILLS=200
  local -x SLUICE_ESHM_TOPIC_PEER=$PWD/build/release/tests/eshm_topic_peer
  local -x ESHM_PEER_LIBRARY=$PWD/build/release/tests/libeshm_peer_atomics.so
  for seed in 2 3 4 5; do
    SLUICE_ESHM_TOPIC_SEED=$seed /usr/bin/python3 -B tests/interop/eshm_topic_deaths_test.py
  done
}

# The queue beside the independent peer: the matrix with more messages; ten million without a lap in 25 rounds, each
# with another creator, other versions and elements; four million that lap their readers.
queue_interop() {
  local -x SLUICE_QUEUE_PEER=$PWD/build/release/tests/queue_peer
  local -x SLICK_PEER_LIBRARY=$PWD/build/release/tests/libslick_peer_atomics.so
  SLUICE_QUEUE_MATRIX_MESSAGES=3000 /usr/bin/python3 -B tests/interop/queue_matrix_test.py
  SLUICE_QUEUE_SEED=2 SLUICE_QUEUE_ROUNDS=25 SLUICE_QUEUE_MESSAGES=400000 \
    /usr/bin/python3 -B tests/interop/queue_stress_test.py ManyProducers
  SLUICE_QUEUE_SEED=3 SLUICE_QUEUE_MESSAGES=200000 /usr/bin/python3 -B tests/interop/queue_stress_test.py Laps Deaths
}

# The queue in Python, in C++ and the independent peer on one segment: fifty times what ./dev test does, each time with
# another seed; ten million messages of producers of both languages; the rates, paced for ten seconds.
python_slick() {
  local -x SLUICE_QUEUE_PEER=$PWD/build/release/tests/queue_peer PYTHONPATH
  local -x SLICK_PEER_LIBRARY=$PWD/build/release/tests/libslick_peer_atomics.so
  PYTHONPATH=$(echo "$PWD"/build/release/lib/python3*/dist-packages)
  /usr/bin/python3 -B tests/interop/python_slick_matrix.py --seed 2 --repeat 50 --paced 10000
  /usr/bin/python3 -B tests/interop/python_slick_matrix.py --seed 3 --messages 10000000 Campaign
}

# C++ and Python, fifty times over: what tests/interop/run.sh does.
interop_script() {
  tests/interop/run.sh --repeat 50
}

# Ten million messages, or room for them, that come while somebody goes to sleep; and the ways in which a node waits.
wake_ups() {
  local program=build/release/tests/wake_races mode
  $program message --races 5000000
  $program message --races 1000000 --readers 3 --seed 2
  $program message --races 1000000 --reliability best_effort --seed 3
  $program space --races 3000000
  for mode in take_for executor descriptor async; do $program "$mode" --races 300000; done
  build/release/tests/many_topics --messages 200 --races 100000 --idle 10
}

# Inputs that nobody thought of: SLUICE_FUZZ_SECONDS for each fuzzer, together twelve and a half minutes. A finding ends
# it, and is left in build/fuzz/findings; inputs that reach something new are kept in build/fuzz/corpus.
fuzz() {
  local seconds=${SLUICE_FUZZ_SECONDS:-150} name corpus
  local -x ASAN_OPTIONS=external_symbolizer_path=/usr/bin/addr2line
  local -x UBSAN_OPTIONS=$ASAN_OPTIONS:print_stacktrace=1
  ./dev build fuzz fuzzers
  mkdir -p build/fuzz/findings
  for name in slick_topic slick_attach slick_ring slick_queue shared_cursor eshm_attach control_request; do
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus"
    build/fuzz/tests/fuzz_$name -max_total_time="$seconds" -max_len=2048 -timeout=120 -print_final_stats=1 \
      -verbosity=0 -artifact_prefix="build/fuzz/findings/$name-" "$corpus" "tests/fuzz/corpus/$name" tests/golden ||
      { rm -rf /dev/shm/sluice-fuzz-* /dev/shm/eshm_sluice-fuzz-* && return 1; }
    printf 'fuzz_%s: nothing found in %d s\n' "$name" "$seconds"
  done
}

# The models with larger bounds, and with each guard of the protocol removed.
models() {
  /usr/bin/python3 -B models/check.py all
}

# clang-tidy on the examples and the Python extension, too.
house_rules() {
  ./dev lint
}

# Who is there, when a thousand times somebody is killed, stopped, continued or started.
graph() {
  local seed
  for seed in $(seq 1 5); do
    build/release/tests/graph_churn --events 1000 --processes 10 --seed "$seed"
  done
  build/release/tests/graph_size list "$PWD/build/release/bin/sluice" --times 1000
  build/release/tests/graph_size many --processes 200
  # shellcheck disable=SC2016
  unshare --map-root-user sh -c 'echo 64 > /proc/sys/user/max_inotify_instances && exec "$0" many --processes 200' \
    build/release/tests/graph_size
  build/release/tests/graph_size idle --seconds 30
}

readonly all=(house_rules sanitized_tools sanitized_processes graph million pool crashes wake_ups eshm_cycles
  eshm_topics queue_interop interop_script python_slick fuzz kill_points demo_kills models repeat no_network
  static_plugins outer_project python_wheel clang aarch64)
chosen=("${@:-${all[@]}}")
for name in "${chosen[@]}"; do
  if ! printf '%s\n' "${all[@]}" | grep -qx "$name"; then
    printf "verify: there is no campaign '%s'; there are: %s\n" "$name" "${all[*]}" >&2
    exit 2
  fi
done
for name in "${chosen[@]}"; do campaign "$name" "$name"; done
printf '\n== verified: %s\n' "${chosen[*]}"
