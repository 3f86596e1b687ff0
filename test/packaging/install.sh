#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Usage: install.sh BUILD PREFIX. Installs what is built in BUILD, and moves it to PREFIX: nothing installed may depend
# on where it was put first.
set -euo pipefail
build=$1 prefix=$2

rm -rf "$prefix" "$prefix.first"
cmake --install "$build" --prefix "$prefix.first"
mv "$prefix.first" "$prefix"
if grep -rlIF -e "$prefix" -e "$build" "$prefix"; then
  echo "These files name the folder they were built or installed in." >&2
  exit 1
fi
