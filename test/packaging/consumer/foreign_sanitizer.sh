#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Usage: foreign_sanitizer.sh COMPILER LIBDIR WORK. A program with AddressSanitizer that uses the coir installed in LIBDIR,
# which has none, is told what to build; once, and no other program is.
set -euo pipefail
compiler=$1 libdir=$2 work=$3
here=$(dirname "$(readlink -f "$0")")

export PKG_CONFIG_PATH=$libdir/pkgconfig
mkdir -p "$work"
expect() {  # warnings, compiler option...
  local expected=$1
  shift
  # shellcheck disable=SC2046
  "$compiler" -std=c++20 "$@" "$here/run_twice.cpp" -o "$work/run_twice" $(pkg-config --cflags --libs coir) \
    -Wl,-rpath,"$libdir"
  "$work/run_twice" 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
  if [[ $(grep -c 'Build coir with -DCOIR_SANITIZE=address' "$work/errors") != "$expected" ]]; then
    echo "expected $expected warnings from: $*" >&2
    cat "$work/errors" >&2
    exit 1
  fi
}
expect 0 -O0
expect 1 -fsanitize=address
