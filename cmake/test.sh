#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Everything that must hold, on Debian 12: installs what is missing, then builds and tests coir four times.
#
#   tsan      gcc, Debug, ThreadSanitizer
#   asan      clang, Debug, AddressSanitizer and UndefinedBehaviorSanitizer; examples and the demo; every public header alone
#   core      gcc, Debug, without a sanitizer: they switch calls on other stacks and recycled blocks off, Release the asserts
#   release   gcc, Release; benchmarks (built, not timed), installed and embedded consumers as well
#
# Usage: cmake/test.sh [configuration]...    default: all four. Exit status 0 if everything passed.
# Details stay in build/<configuration>/{build,test}.log. The last lines are ctest's summary of the last configuration, and
# what it skipped.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
source cmake/packages.sh

install_missing "${test_packages[@]}"

if command -v ccache >/dev/null; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
  # Another clone of the same sources hits, too.
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=time_macros
fi
jobs=$(nproc)

# ThreadSanitizer of GCC 12 does not start where addresses are randomised by more than 28 bits.
plain_addresses=()
if [[ $(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28) -gt 28 ]] && setarch -R true 2>/dev/null; then
  plain_addresses=(setarch -R)
fi

failed=()
configurations=("$@")
if [[ ${#configurations[@]} -eq 0 ]]; then
  configurations=(tsan asan core release)
fi
last=${configurations[-1]}

# Where many tests are one process: what failed in it, and which of them did not end.
failures_in() {  # log
  grep -E -A 12 ': Failure$|error: |ERROR: |WARNING: ThreadSanitizer|runtime error' "$1" | head -n 150 || true
  awk '$1 == "[" { if ($2 == "RUN") begun[$4]; else if ($2 ~ /^(OK|FAILED|SKIPPED)$/) delete begun[$4] }
       END { for (name in begun) print "did not end: " name }' "$1"
}

# Of tests that are one process ctest shows nothing if it passes: which were skipped, and why.
skipped_in() {  # folder
  awk '/: Skipped$/ { getline; print }' "$1/Testing/Temporary/LastTest.log" | sort | uniq -c |
    sed 's/^ *\([0-9]*\) /    skipped \1: /' || true
}

fail() {  # configuration, what, log
  echo "    $1: $2 failed, from $3:"
  failures_in "$3"
  tail -n 30 "$3"
  failed+=("$1 ($2)")
}

for configuration in "${configurations[@]}"; do
  folder=build/$configuration
  mkdir -p "$folder"

  echo "==> $configuration: configure and build"
  start=$SECONDS
  build_command=("${plain_addresses[@]}" cmake --build --preset "$configuration" -j "$jobs" -- -k 0)
  if ! { cmake --preset "$configuration" && "${build_command[@]}"; } >"$folder/build.log" 2>&1; then
    fail "$configuration" build "$folder/build.log"
    continue
  fi
  built=$((SECONDS - start))

  echo "==> $configuration: test"
  start=$SECONDS
  test_command=("${plain_addresses[@]}" ctest --preset "$configuration" -j "$jobs")
  if [[ $configuration == "$last" ]]; then
    echo "    built in $built s"
    if ! "${test_command[@]}" 2>&1 | tee "$folder/test.log"; then
      failures_in "$folder/test.log"
      failed+=("$configuration (test)")
    fi
  elif "${test_command[@]}" >"$folder/test.log" 2>&1; then
    echo "    $configuration: $(grep 'tests passed' "$folder/test.log") (build $built s, tests $((SECONDS - start)) s)"
  else
    fail "$configuration" test "$folder/test.log"
  fi
  skipped_in "$folder"
done

if [[ ${#failed[@]} -gt 0 ]]; then
  printf -v list '%s, ' "${failed[@]}"
  echo "FAILED: ${list%, }" >&2
  exit 1
fi
