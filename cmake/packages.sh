# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For sourcing: which Debian 12 packages coir needs, and how to get them.

# The library and the demo.
demo_packages=(
  build-essential g++ cmake ninja-build pkg-config ccache
  libboost1.81-dev libboost-context1.81-dev libspdlog-dev
  libcurl4-openssl-dev libxml2-dev libmicrohttpd-dev
  python3.11-doc  # the site that the demo checks
  # Headers that the library uses if they are there; built without them it would stay so when test.sh comes later.
  valgrind libdw-dev
)

# The rest of what cmake/test.sh runs.
test_packages=(
  "${demo_packages[@]}"
  clang libclang-rt-14-dev llvm  # llvm: symbols in sanitizer reports of clang
  libgtest-dev libbenchmark-dev
  libsqlite3-dev libexpat1-dev  # C code that calls back
  libuv1-dev libglib2.0-dev libevent-dev qtbase5-dev libsystemd-dev  # the loops that can be hosts
  # examples/clients, and their servers
  libpq-dev postgresql libhiredis-dev redis-server libnats-dev nats-server libc-ares-dev libcurl4-openssl-dev
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  python3 gdb git
)

# What cmake/bench.sh builds coir's side of the race with,
bench_packages=(
  build-essential g++ cmake ninja-build pkg-config ccache
  libboost1.81-dev libboost-context1.81-dev libspdlog-dev
  libbenchmark-dev python3 util-linux git
)
# and the peers and plots: what cannot be had is left out, and the table says so.
bench_peer_packages=(
  libboost-fiber1.81-dev libst-dev golang-go
  cargo rustc librust-tokio-dev
  python3-uvloop python3-matplotlib
)
if ! command -v node >/dev/null; then
  bench_peer_packages+=(nodejs)
fi

# install_missing PACKAGE...: touches nothing if all are there, and never removes a package to make room.
install_missing() {
  if ! command -v apt-get >/dev/null; then
    echo "Not a Debian system: these packages, or their like, have to be there: $*"
    return 0
  fi
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
  done
  if [[ ${#missing[@]} -eq 0 ]]; then
    return 0
  fi
  local as_root=()
  if [[ $(id -u) -ne 0 ]]; then
    as_root=(sudo)
  fi
  echo "==> Installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends --no-remove "${missing[@]}" >/dev/null
}
