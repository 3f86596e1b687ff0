#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Usage: static.sh SOURCE WORK COMPILER LIBDIR <cmake option>... Builds coir as static libraries, installs them, and
# uses them through CMake and through pkg-config, and twice in one program.
set -euo pipefail
source=$1 work=$2 compiler=$3 libdir=$4
shift 4
here=$(dirname "$(readlink -f "$0")")

cmake -S "$source" -B "$work/build" -G Ninja "$@" -DBUILD_SHARED_LIBS=OFF -DCMAKE_INSTALL_LIBDIR="$libdir" \
  -DCOIR_BUILD_TESTS=OFF -DCOIR_BUILD_BENCH=OFF -DCOIR_BUILD_EXAMPLES=OFF
cmake --build "$work/build"
"$here/install.sh" "$work/build" "$work/prefix"

cmake -S "$here/consumer" -B "$work/consumer" -G Ninja "$@" -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/consumer"
ctest --test-dir "$work/consumer" --no-tests=error --output-on-failure
cmake -S "$here/copies" -B "$work/copies" -G Ninja "$@" -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/copies"
ctest --test-dir "$work/copies" --no-tests=error --output-on-failure
"$here/consumer/pkg_config.sh" "$compiler" "$work/prefix/$libdir" "$work/pkg_config"
