#!/usr/bin/env bash
# The ledger's commands as scripts use them: exit statuses and fields. usage: cli.sh STOPLOG BENCH
set -euo pipefail
stoplog=$1
make_ledger=$2
dir=$(mktemp -d)
witness=
web=
trap 'for p in $witness $web; do kill "$p" 2>/dev/null || true; done; rm -rf "$dir"' EXIT
fail() {
    echo "cli.sh: $1" >&2
    exit 1
}
want() { # STATUS COMMAND...
    local status=0 wanted=$1
    shift
    "$@" >"$dir/out" 2>"$dir/err" || status=$?
    [ "$status" = "$wanted" ] || fail "$* ended with $status, wanted $wanted: $(cat "$dir/err")"
}

"$make_ledger" --make "$dir/log" 1000
vkey=$(cat "$dir/log/vkey")
want 0 "$stoplog" --json ledger verify "$dir/log" --key "$vkey"
grep -q '"ok":true,"size":1000,.*"first_bad":null' "$dir/out" || fail "summary of a whole ledger"
cp "$dir/log/checkpoint" "$dir/old"
"$make_ledger" --make "$dir/log" 500
want 0 "$stoplog" --json ledger verify "$dir/log" --key "$vkey" --from "$dir/old"

# A flipped byte is named by its leaf; the last line is the summary.
cp -r "$dir/log" "$dir/bad"
printf 'x' | dd of="$dir/bad/tile/entries/002" bs=1 seek=$((258 * 7 + 100)) conv=notrunc status=none
want 4 "$stoplog" --json ledger verify "$dir/bad" --key "$vkey"
tail -1 "$dir/out" | grep -q '"ok":false,.*"first_bad":519' || fail "first bad leaf: $(cat "$dir/out")"

# A copy of yesterday is not today's ledger.
cp "$dir/log/checkpoint" "$dir/new"
cp "$dir/old" "$dir/bad/checkpoint"
want 4 "$stoplog" ledger verify "$dir/bad" --key "$vkey" --from "$dir/new"
want 3 "$stoplog" ledger verify "$dir/nothing"
want 2 "$stoplog" ledger verify --from
want 2 "$stoplog" ledger nonsense

# A receipt verifies far from the ledger, under the right key alone.
want 0 "$stoplog" ledger prove 1234 "$dir/log" --key "$vkey"
cp "$dir/out" "$dir/receipt"
want 0 "$stoplog" ledger verify-receipt "$dir/receipt" --key "$vkey"
grep -q '"index":1234' "$dir/out" || fail "index of the receipt"
want 4 "$stoplog" ledger verify-receipt "$dir/receipt" \
    --key example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
sed 's/^index 1234/index 1235/' "$dir/receipt" >"$dir/forged"
want 4 "$stoplog" ledger verify-receipt "$dir/forged" --key "$vkey"
want 3 "$stoplog" ledger show 1500 "$dir/log" --key "$vkey"
want 0 "$stoplog" ledger tail "$dir/log" --key "$vkey"
[ "$(wc -l <"$dir/out")" = 10 ] || fail "tail prints ten leaves"
want 0 "$stoplog" ledger export "$dir/log" --key "$vkey"
[ "$(wc -l <"$dir/out")" = 1500 ] || fail "export prints every leaf"

# The same over HTTP, as an auditor far away reads it.
python3 -u -m http.server 0 --bind 127.0.0.1 --directory "$dir/log" >"$dir/web.log" 2>&1 &
web=$!
for _ in $(seq 100); do grep -q 'port [0-9]' "$dir/web.log" && break; sleep 0.05; done
url=http://127.0.0.1:$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$dir/web.log" | head -1)
want 0 "$stoplog" --json ledger verify "$url" --key "$vkey" --from "$dir/old"
grep -q '"ok":true,"size":1500' "$dir/out" || fail "summary over HTTP"
want 0 "$stoplog" ledger prove 1400 "$url" --key "$vkey"
mv "$dir/log/tile/entries/005.p" "$dir/hidden"
want 4 "$stoplog" --json ledger verify "$url" --key "$vkey"
grep -q '"first_bad":1280' "$dir/out" || fail "a missing bundle over HTTP: $(cat "$dir/out")"
mv "$dir/hidden" "$dir/log/tile/entries/005.p"
want 3 "$stoplog" ledger verify http://127.0.0.1:1 --key "$vkey"

# Our own witness cosigns growth and refuses the past.
want 0 "$stoplog" ledger witness key --name w.example/own --key-file "$dir/w.pem"
witness_key=$(cat "$dir/out")
"$stoplog" ledger witness serve --name w.example/own --key-file "$dir/w.pem" \
    --state "$dir/w" --listen "unix:$dir/w.sock" --log "$vkey" 2>"$dir/w.err" &
witness=$!
for _ in $(seq 100); do [ -S "$dir/w.sock" ] && grep -q listens "$dir/w.err" && break; sleep 0.05; done
ask() { want "$1" "$stoplog" ledger witness --ask "unix:$dir/w.sock" --witness "$witness_key" \
    --ledger "$2" --key "$vkey"; }
ask 0 "$dir/log"
"$make_ledger" --make "$dir/log" 300
ask 0 "$dir/log"
grep -q '"from":1500,"to":1800' "$dir/out" || fail "what the witness has seen: $(cat "$dir/out")"
ask 4 "$dir/bad"
echo "the ledger's commands do as they say"
