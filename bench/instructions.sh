#!/usr/bin/env bash
# Counts the instructions and the memory allocations of one request of each kind, with callgrind, and compares them with
# bench/instructions.txt. Fails if a count grew by more than 5 %. With --update, rewrites the table.
#
# The counts repeat to a few dozen. The difference of two runs leaves out the start.
set -euo pipefail
cd "$(dirname "$0")"

table=instructions.txt
few=200 many=1200
kinds="bare no-cookie read:memory change:memory read:redis change:redis read:cache change:cache"

for command in valgrind redis-server; do
    if ! command -v "$command" >/dev/null; then
        echo "$command is missing; on Debian: apt-get install valgrind redis-server" >&2
        exit 2
    fi
done

cargo build --release --quiet --locked --manifest-path instructions/Cargo.toml --target-dir target
folder=$(mktemp -d)
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' --dir "$folder" >"$folder/redis.log" &
redis=$!
trap 'kill "$redis"; wait "$redis" 2>/dev/null || true; rm -rf "$folder"' EXIT

# Prints the instructions and the allocations of a run.
count() { # KIND STORE REQUESTS
    local out="$folder/callgrind"
    SESSION_STORE=$2 valgrind --tool=callgrind --callgrind-out-file="$out" target/release/instructions "$1" "$3" \
        2>"$folder/valgrind.log" || { cat "$folder/valgrind.log" >&2; exit 1; }
    # a function is named once, as a caller or as a callee, and later by its number alone
    awk '
        /^c?fn=/ {
            number = substr($1, index($1, "=") + 1); if ($2 != "") name[number] = $2
            if (/^cfn=/) allocates = name[number] ~ /^(malloc|calloc|realloc|aligned_alloc|posix_memalign)$/
        }
        /^calls=/ && allocates { allocations += substr($1, 7) }
        /^(summary|totals):/ { instructions = $2 }
        END { print instructions, allocations }
    ' "$out"
}

measure() {
    printf '%-16s %12s %12s\n' request instructions allocations
    for kind in $kinds; do
        case $kind in
            *:memory) store=memory: ;;
            *) store="redis+unix://$folder/redis.sock" ;;
        esac
        # the longest time, so that the cache itself sends little
        case $kind in
            *:cache) export SESSION_CACHE=1m ;;
            *) export SESSION_CACHE=off ;;
        esac
        read -r i1 a1 < <(count "${kind%:*}" "$store" $few)
        read -r i2 a2 < <(count "${kind%:*}" "$store" $many)
        printf '%-16s %12d %12d\n' "$kind" $(((i2 - i1) / (many - few))) $(((a2 - a1 + (many - few) / 2) / (many - few)))
    done
}

measure | tee "$folder/now"
if [ "${1:-}" = --update ]; then
    cp "$folder/now" "$table"
    exit
fi
awk '
    NR == FNR { instructions[$1] = $2; allocations[$1] = $3; next }
    FNR == 1 { next }
    !($1 in instructions) { print $1 " is missing in the table; use --update"; failed = 1; next }
    $2 > instructions[$1] * 1.05 { print $1 ": " $2 " instructions, " instructions[$1] " in the table"; failed = 1 }
    $3 > allocations[$1] * 1.05 { print $1 ": " $3 " allocations, " allocations[$1] " in the table"; failed = 1 }
    END { exit failed }
' "$table" "$folder/now"
