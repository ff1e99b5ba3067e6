#!/usr/bin/env bash
# `stoplog echo` as scripts use it: exit statuses, fields, formats. usage: echo.sh STOPLOG ECHO-TRIALS
set -euo pipefail
stoplog=$(realpath "$1")
trials=$(realpath "$2")
dir=$(mktemp -d)
trap 'cd / && rm -rf "$dir"' EXIT
fail() {
    echo "echo.sh: $1" >&2
    exit 1
}
want() { # STATUS COMMAND...
    local status=0 wanted=$1
    shift
    "$@" >"$dir/out" 2>"$dir/err" || status=$?
    [ "$status" = "$wanted" ] || fail "$* ended with $status, wanted $wanted: $(cat "$dir/err")"
}
cd "$dir"

"$trials" --print --bytes 300000 --seed 5 >notes.txt
"$trials" --print --bytes 300000 --seed 6 >others.txt
python3 - <<'PY'
import json
notes = open("notes.txt").read().split("\n\n")
words = notes[20].split()
open("exact.txt", "w").write("As was said: " + " ".join(words[120:170]) + " and no more.")
changed = [w if i % 12 else "something" for i, w in enumerate(words[120:190])]
open("changed.txt", "w").write(" ".join(changed).upper())
open("bytes.txt", "wb").write(b"\xff\xfe\x00 " + " ".join(words[120:170]).encode() + b"\x80\xe2\x82")
with open("rows.jsonl", "w") as f:
    for i, note in enumerate(notes[:60]):
        f.write(json.dumps({"id": i, "text": note}) + "\n")
with open("rows.csv", "w") as f:
    f.write("id,text\n")
    for i, note in enumerate(notes[60:90]):
        f.write('%d,"%s"\n' % (i, note.replace('"', '""')))
open("row.txt", "w").write(" ".join(notes[30].split()[120:170]))
open("cell.txt", "w").write(" ".join(notes[70].split()[120:170]))
open("long.txt", "w").write("x" * 30000000 + " ")
PY

want 2 "$stoplog" echo
want 2 "$stoplog" echo index -o index.echo notes.txt
want 0 "$stoplog" --json echo index --key-new key -o index.echo notes.txt
grep -q '"summary":{"bytes":[0-9]*,"source_bytes":[0-9]*,"records":[0-9]*' out || fail "summary of index"
[ "$(stat -c %a key)" = 600 ] || fail "the key is readable by others"
want 3 "$stoplog" echo index --key-new key -o other.echo notes.txt
want 3 "$stoplog" echo index --key key -o index.echo notes.txt
grep -q "index.echo" err || fail "the message names no file"
# 1 would say that something was found.
head -c 32 /dev/urandom >key.other
want 3 "$stoplog" echo query --key key.other index.echo exact.txt
grep -q "another key: index index.echo" err || fail "the message does not say that the key is another"
want 3 "$stoplog" echo query --key notes.txt index.echo exact.txt
want 3 "$stoplog" echo query --key key index.echo .
want 3 "$stoplog" echo query --key key notes.txt exact.txt

want 1 "$stoplog" --json echo query --key key index.echo --confirm . exact.txt
grep -q '"source":"notes.txt".*"confirmed":true' out || fail "exact words were not confirmed"
python3 - <<'PY' || fail "the span is not the recited words"
import json
m = json.loads(open("out").readline())
text = open("exact.txt", "rb").read()
assert text[m["start"]:m["end"]].decode() in open("exact.txt").read()
# Which shingles are kept depends on the key, which is another each time: most of the words, not all.
assert m["end"] - m["start"] >= 0.7 * len(text), m
PY
want 1 "$stoplog" --json echo query --key key index.echo --confirm . changed.txt
grep -q '"confirmed":true.*"words_changed":[1-9]' out || fail "changed words were not confirmed"
want 1 "$stoplog" echo query --key key index.echo --confirm notes.txt bytes.txt
want 1 "$stoplog" --json echo query --key key index.echo --confirm others.txt --confirm notes.txt exact.txt
grep -q '"confirmed":true' out || fail "one source of two"
want 1 "$stoplog" --json echo query --key key index.echo --confirm . <exact.txt
grep -q '"path":"-".*"confirmed":true' out || fail "standard input"
want 0 "$stoplog" echo query --key key index.echo --confirm . others.txt
grep -q ' 0 confirmed' out || fail "unrelated notes: $(tail -1 out)"
want 0 "$stoplog" echo query --key key index.echo long.txt

# JSON lines and CSV join the index; records are told by their number.
want 0 "$stoplog" echo index --key key --add -o index.echo rows.jsonl rows.csv
want 0 "$stoplog" --json echo stats --key key index.echo
grep -q '"sources":3,"segments":2' out || fail "stats: $(cat out)"
"$stoplog" echo index --key-new key2 -o rows.echo rows.jsonl rows.csv >/dev/null
want 1 "$stoplog" --json echo query --key key2 rows.echo --confirm . row.txt
grep -q '"source":"rows.jsonl","record":30,.*"confirmed":true' out || fail "row: $(cat out)"
want 1 "$stoplog" --json echo query --key key2 rows.echo --confirm . cell.txt
grep -q '"source":"rows.csv","record":10,.*"confirmed":true' out || fail "cell: $(cat out)"

# Another key, a changed index, a cut one, none.
want 3 "$stoplog" echo query --key key2 index.echo exact.txt
grep -qi key err || fail "another key: $(cat err)"
cp index.echo bad.echo
printf 'X' | dd of=bad.echo bs=1 seek=5000 conv=notrunc 2>/dev/null
want 4 "$stoplog" echo query --key key bad.echo exact.txt
head -c 7000 index.echo >short.echo
want 3 "$stoplog" echo query --key key short.echo exact.txt
want 3 "$stoplog" echo query --key key none.echo exact.txt
want 3 "$stoplog" echo query --key key index.echo none.txt
: >empty.txt
want 0 "$stoplog" echo index --key key -o empty.echo empty.txt
want 0 "$stoplog" echo query --key key empty.echo exact.txt
