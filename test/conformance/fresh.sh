#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Compares random programs of each family, 500 or COIR_PROGRAMS, from a seed that it prints. Exit status 77, which ctest
# reports as skipped, where there is no CPython 3.13.
#
# Usage: fresh.sh <the program `conformance`> <family>...
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
conformance=$1
shift

is_3_13() { [[ $("$1" -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null) == "3 13" ]]; }

python=
for candidate in python3.13 ~/.pyenv/versions/3.13*/bin/python3 python3; do
  if is_3_13 "$candidate"; then
    python=$candidate
    break
  fi
done
if [[ -z $python ]]; then
  echo "Skipped: no python3.13 on PATH or below ~/.pyenv, so there is no asyncio to compare with."
  exit 77
fi

first=${COIR_SEED:-$(($(date +%s) * 2000))}
echo "first seed $first; repeat with COIR_SEED=$first"
exec "$python" "$here/compare.py" --coir "$conformance" --jobs "$(nproc)" \
  --seeds "$first..$((first + ${COIR_PROGRAMS:-500}))" "${@/#/--family=}"
