#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Usage: pkg_config.sh COMPILER LIBDIR WORK. Builds and runs users of the coir installed in LIBDIR with the compiler, that of
# C ($CC), and pkg-config alone. The headers are not system headers here: they must be free of warnings.
set -euo pipefail
compiler=$1 libdir=$2 work=$3
here=$(dirname "$(readlink -f "$0")")

export PKG_CONFIG_PATH=$libdir/pkgconfig
mkdir -p "$work"
set -x
# shellcheck disable=SC2046
"$compiler" -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror \
  "$here/use_coir.cpp" -o "$work/use_coir" $(pkg-config --cflags --libs coir) -Wl,-rpath,"$libdir"
"$work/use_coir"
# shellcheck disable=SC2046
"${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Werror \
  "$here/use_c.c" -o "$work/use_c" $(pkg-config --cflags --libs coir) -Wl,-rpath,"$libdir"
"$work/use_c"
