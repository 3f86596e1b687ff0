#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds and runs the demo: the walk-through of one gather, then linkcheck, which checks the links of a whole site.
#
# Usage: cmake/demo.sh [argument of linkcheck]...    default: the documentation of Python, from this machine's disk.
#
# Exit status: linkcheck's own if arguments are given. Without, 0 also for linkcheck's 1: that it finds broken links in
# somebody else's documentation is what the demo is for.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
source cmake/packages.sh

install_missing "${demo_packages[@]}"

if command -v ccache >/dev/null; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi
echo "==> Building build/release/examples/{walkthrough,linkcheck/linkcheck}; details in build/release/demo.log"
mkdir -p build/release
if ! { cmake --preset release -DCOIR_BUILD_TESTS=OFF -DCOIR_BUILD_BENCH=OFF &&
       cmake --build --preset release --target walkthrough linkcheck; } >build/release/demo.log 2>&1; then
  tail -n 40 build/release/demo.log
  exit 1
fi

echo "==> walkthrough"
build/release/examples/walkthrough

echo "==> linkcheck $*"
status=0
build/release/examples/linkcheck/linkcheck "$@" || status=$?
case $status in
  0) echo "==> linkcheck: exit status 0, no link is broken" ;;
  1) echo "==> linkcheck: exit status 1, it found broken links (listed above): the expected end of the demo" ;;
  2) echo "==> linkcheck: exit status 2, it was called with arguments it does not know" ;;
  *) echo "==> linkcheck: exit status $status" ;;
esac
if [[ $# -eq 0 && $status -eq 1 ]]; then
  status=0
fi
exit "$status"
