#!/usr/bin/env bash
# ./dev lint: formatting, and the house rules that a script can check. Prints every violation; exit code 1 if there
# is one.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=0

report() {
  if [ -n "$2" ]; then
    printf '%s:\n%s\n\n' "$1" "$2"
    failed=1
  fi
}

sources() { git ls-files --cached --others --exclude-standard '*.cpp' '*.hpp' "$@"; }

# May LAYER (a folder) include WORDS (a pattern of include paths)?
forbid() {
  local folder=$1 pattern=$2 why=$3
  report "$why" "$(grep -rnE "#include [<\"]($pattern)" "$folder" --include='*.[ch]pp')"
}

node='node/|sluice/(node|executor|publisher|subscription)\.hpp'
control='control/|sluice/graph\.hpp'
topic='topic/|sluice/(config|node_options|topic_name)\.hpp'
transport='transport/|sluice/(transport|plugin|topic_spec|qos|message)[a-z_]*\.hpp'
libraries='boost/|spdlog/|yaml-cpp/|fmt/|CLI/|nlohmann/'
forbid transport/src/shm "$transport|$topic|$control|$node|$libraries" "shm includes a layer above it, or a library"
forbid transport/include/sluice/shm "$transport|$topic|$control|$node|$libraries" "a public shm header includes more"
forbid transport/src/transport "$topic|$control|$node|$libraries" "transport includes a layer above it, or a library"
forbid transport/src/topic "$control|$node" "topic includes a layer above it"
forbid transport/src/control "$node" "control includes a layer above it"
forbid plugins "$topic|$control|$node|$libraries" "a plugin includes more than transport and shm"

report "atomics on shared memory go through shm/atomic.hpp" \
  "$(grep -rnE '__atomic_|atomic_ref|atomic_thread_fence' transport plugins --include='*.[ch]pp' |
    grep -v 'include/sluice/shm/atomic.hpp')"
report "libraries do not write to stdout" \
  "$(grep -rnE 'std::cout|[^fn]printf\(|puts\(|stdout_color_sink_|stdout_sink' transport plugins --include='*.[ch]pp')"
report "headers begin with #pragma once" \
  "$(sources | grep 'hpp$' | while read -r file; do head -n 1 "$file" | grep -q '#pragma once' || echo "$file"; done)"
report "files of more than 400 lines" \
  "$(sources '*.py' '*.md' '*.sh' dev | while read -r file; do [ "$(wc -l <"$file")" -le 400 ] || echo "$file"; done)"
long_lines() {  # tables cannot be wrapped; golden files are as they were written
  sources '*.py' '*.sh' '*.md' '*.yaml' dev | grep -v '^tests/golden/' |
    LC_ALL=C.UTF-8 xargs grep -nHE '^[^|].{120,}' | cut -c1-140
}
report "lines of more than 120 characters" "$(long_lines)"
report "unfinished words" "$(sources '*.py' '*.md' | xargs grep -nE 'TODO|FIXME|XXX' | grep -v -e 'XXXXXX')"
report "paths of one machine" "$(git grep -nE '/(work|root|home)/' -- ':!tests/lint.sh' | cut -c1-140)"

if command -v clang-format >/dev/null; then
  report "clang-format would change" \
    "$(sources | xargs clang-format --dry-run -Werror 2>&1 | grep -oE '^[^:]+:[0-9]+' | cut -d: -f1 | sort -u)"
fi

[ $failed = 0 ] && echo "lint: clean"
exit $failed
