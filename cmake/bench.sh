#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The race: coir, its peers and the floor under both, interleaved on one CPU. Installs what is missing (Debian 12),
# builds, runs, and prints one table, all figures by family, and where JSON and plots are.
#
# Usage: cmake/bench.sh [--quick] [--only workload,..] [--participants a,b] [--rounds N] [--out DIR] ...
#        cmake/bench.sh --help for all options; default: everything, 7 rounds, build/bench/race
#
# Exit status 0: every run gave a figure, whether it met its target or not. The builds: build/bench/race/*.log
# A peer that cannot be installed or built is left out, and the end of the report says why.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
source cmake/packages.sh

python=/usr/bin/python3  # Debian's, which has uvloop and matplotlib; PATH may have another
[[ -x $python ]] || python=python3
for argument in "$@"; do
  if [[ $argument == -h || $argument == --help ]]; then
    exec "$python" cmake/race.py --help
  fi
done

began=$SECONDS
install_missing "${bench_packages[@]}"
for package in "${bench_peer_packages[@]}"; do  # one by one: what a mirror lacks does not keep the others away
  install_missing "$package" || echo "    $package cannot be installed" >&2
done

root=$PWD
build=$root/build/bench
out=$build/race
mkdir -p "$out"
left_out=$out/left_out.txt
: >"$left_out"

leave_out() {  # participant, why
  echo "$1 $2" >>"$left_out"
  echo "    without $1: $2"
}

if command -v ccache >/dev/null; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
  export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=time_macros
fi

# Built outside the sources, and with nothing from the network or from the user's own configuration.
registry=/usr/share/cargo/registry
build_tokio() {
  mkdir -p "$out/tokio/src"
  cp -u bench/race/peers/tokio/Cargo.toml "$out/tokio/"
  cp -u bench/race/peers/tokio/src/main.rs "$out/tokio/src/"
  cd "$out/tokio"
  CARGO_HOME=$out/tokio/home RUSTC=/usr/bin/rustc /usr/bin/cargo build --offline --release --target-dir target \
    --config 'source.crates-io.replace-with="debian"' --config "source.debian.directory=\"$registry\""
}
build_go() {
  cd bench/race/peers/go
  GOFLAGS='' GOPROXY=off GOTOOLCHAIN=local GOCACHE=$out/go-cache go build -o "$out/go_race" .
}

echo "==> Building coir, the floor and the peers; details in ${out#"$root"/}/*.log"
tokio_build=
if [[ -x /usr/bin/cargo && -x /usr/bin/rustc ]] && compgen -G "$registry/tokio-1*" >/dev/null; then
  build_tokio >"$out/tokio.log" 2>&1 &  # the longest of all, on one CPU
  tokio_build=$!
fi
if ! { cmake --preset bench -DCOIR_BUILD_PEERS=ON &&
       cmake --build --preset bench --target race_coir race_floor race_floor_ring race_load
     } >"$out/coir.log" 2>&1; then
  tail -n 40 "$out/coir.log"
  [[ -z $tokio_build ]] || wait "$tokio_build" || true
  exit 1
fi

# A peer each, so that one that does not compile does not keep the others away.
for peer in boost_fiber asio_co_await asio_spawn state_threads; do
  if ! grep -q "^build race_$peer:\|/race_$peer:\|/race_$peer " "$build/build.ninja"; then
    leave_out "$peer" "its package is not installed"
  elif ! cmake --build --preset bench --target "race_$peer" >"$out/$peer.log" 2>&1; then
    leave_out "$peer" "does not build, see ${out#"$root"/}/$peer.log"
  fi
done

if ! command -v go >/dev/null; then
  leave_out go "golang-go is not installed"
elif ! (build_go) >"$out/go.log" 2>&1; then
  leave_out go "does not build, see ${out#"$root"/}/go.log"
fi
if [[ -z $tokio_build ]]; then
  leave_out tokio "cargo, rustc and librust-tokio-dev are not installed"
elif ! wait "$tokio_build"; then
  leave_out tokio "does not build offline, see ${out#"$root"/}/tokio.log"
fi
if [[ $python != /usr/bin/python3 ]] || ! /usr/bin/python3 -c 'import uvloop' 2>/dev/null; then
  leave_out uvloop "python3-uvloop is not installed"
fi
if ! command -v node >/dev/null; then
  leave_out node "nodejs is not installed"
fi
echo "    built in $((SECONDS - began)) s"

echo "==> Racing${*:+: $*}"
status=0
RACE_COMMAND="cmake/bench.sh${*:+ $*}" "$python" cmake/race.py --build "$build" --missing "$left_out" "$@" || status=$?
echo "$((SECONDS - began)) s in all"
exit "$status"
