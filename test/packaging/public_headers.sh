#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Usage: public_headers.sh SOURCE <header>... Public headers include only the standard library and coir (a legacy code
# base has its own Boost, its own fmt), and every header in a component's include folder is listed, and so installed.
set -euo pipefail
source=$1
shift
failed=0

# No dot and no slash: a header of the C++ standard library. coir.h has those of C.
if grep -nE '^[[:space:]]*#[[:space:]]*include' "$@" \
    | grep -vE ':[[:space:]]*#[[:space:]]*include <(coir/[a-z0-9_/]+\.hpp|[a-z0-9_]+)>' \
    | grep -vE '/coir/coir\.h:[0-9]+:#include <(errno|stddef|stdint)\.h>'; then
  echo "Public headers include only <coir/...> and the C++ standard library." >&2
  failed=1
fi
if grep -L '^#pragma once$' "$@" | grep .; then
  echo "These headers lack #pragma once." >&2
  failed=1
fi
unlisted=$(comm -23 <(find "$source"/{fibers,runtime,combinators}/include -type f | sort) <(printf '%s\n' "$@" | sort))
if [[ -n $unlisted ]]; then
  printf '%s\n' "$unlisted" "These files work in the tree but would not be installed: list them as HEADERS." >&2
  failed=1
fi
exit $failed
