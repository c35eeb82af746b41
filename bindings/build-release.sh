#!/usr/bin/env bash
# Builds the package for Python and the engine for Node.js as a release has them: dist/python/*.whl and dist/engines/PLATFORM.node.
#   bindings/build-release.sh x86_64-unknown-linux-gnu linux-x64 manylinux_2_28    for glibc 2.28
#   bindings/build-release.sh aarch64-apple-darwin darwin-arm64                    on macOS
# Needs the tools of release.txt in PATH. On Linux zig links, so the result runs on systems with an older libc than this machine's.
set -euo pipefail
cd "$(dirname "$0")"
target=$1 platform=$2 libc=${3:-}
dist=$PWD/../dist
library=libshared_session_node.so
case $libc in
  manylinux_*) wheel=(--zig --compatibility "$libc") version=${libc#manylinux_} engine=(zigbuild --target "$target.${version/_/.}") ;;
  musllinux_*) wheel=(--zig --compatibility "$libc") engine=(zigbuild --target "$target") ;;
  '') wheel=(--compatibility pypi) engine=(build --target "$target") library=libshared_session_node.dylib ;;
  *) echo "unknown libc: $libc" >&2; exit 2 ;;
esac
mkdir -p "$dist/engines"
(cd python && maturin build --release --locked --target "$target" "${wheel[@]}" --out "$dist/python")
cd node
case $libc in musllinux_*) export RUSTFLAGS='-C target-feature=-crt-static' ;; esac # maturin does this itself
cargo "${engine[@]}" --release --locked
cp "${CARGO_TARGET_DIR:-../../target/packages}/$target/release/$library" "$dist/engines/$platform.node"
