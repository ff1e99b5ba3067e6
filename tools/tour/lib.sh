# What the tour's parts share: the work directory, processes and their end, how a step is told, the
# summary. Sourced by ./quickstart, never run alone.

tour_started=$SECONDS
tour_number=0
tour_pids=()
tour_facts=() # lines "name=value" of the summary
tour_failures=0

if [ -t 2 ]; then
    tour_bold=$'\e[1m' tour_dim=$'\e[2m' tour_plain=$'\e[0m' tour_red=$'\e[31m'
else
    tour_bold='' tour_dim='' tour_plain='' tour_red=''
fi

say() { printf '    %s\n' "$*" >&2; }
why() { printf '    %swhy: %s%s\n' "$tour_dim" "$*" "$tour_plain" >&2; }
show() { sed 's/^/      | /' >&2; }
receipt() { printf '    %sreceipt: %s%s\n' "$tour_dim" "$*" "$tour_plain" >&2; }

step() {
    tour_number=$((tour_number + 1))
    printf '\n%s%2d. %s%s\n' "$tour_bold" "$tour_number" "$*" "$tour_plain" >&2
}

# A fact for the summary: name and value (a string).
fact() { tour_facts+=("$1=$2"); }

# The step did not do what it says; the tour goes on and ends with status 1.
wrong() {
    tour_failures=$((tour_failures + 1))
    printf '    %sWRONG: %s%s\n' "$tour_red" "$*" "$tour_plain" >&2
}

cannot() {
    printf '\n%s./quickstart: %s%s\n' "$tour_red" "$*" "$tour_plain" >&2
    exit 3
}

# The value at a path of members and indexes in JSON on standard input; empty if it is not there.
json_get() {
    python3 -c '
import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1:]:
    try:
        value = value[int(name)] if isinstance(value, list) else value[name]
    except (KeyError, IndexError, TypeError, ValueError):
        sys.exit(0)
if value is not None:
    print(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
' "$@"
}

# The text that a streamed OpenAI chat on standard input adds up to.
stream_text() {
    python3 -c '
import json, sys
for line in sys.stdin:
    if line.startswith("data: {"):
        for choice in json.loads(line[6:]).get("choices", []):
            sys.stdout.write(choice.get("delta", {}).get("content") or "")
'
}

# Starts a process of the tour and remembers it: background LOG COMMAND...
background() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null &
    tour_pids+=($!)
}

# Waits until a command succeeds: wait_for SECONDS WHAT COMMAND...
wait_for() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || cannot "$what did not come up; see the logs in $work"
        sleep 0.1
    done
}

tour_clean() {
    local status=$? pid
    trap - EXIT INT TERM
    for ((i = ${#tour_pids[@]} - 1; i >= 0; i--)); do
        pid=${tour_pids[$i]}
        if kill -TERM "$pid" 2>/dev/null; then
            for _ in $(seq 100); do
                kill -0 "$pid" 2>/dev/null || break
                sleep 0.05
            done
            kill -KILL "$pid" 2>/dev/null || true
        fi
        wait "$pid" 2>/dev/null || true
    done
    if [ -z "$keep" ] && [ -n "${work:-}" ]; then
        rm -rf "$work"
    fi
    exit "$status"
}

tour_begin() {
    trap tour_clean EXIT
    trap 'exit 130' INT TERM
    if [ -n "$keep" ]; then
        mkdir -p "$keep"
        work=$(cd "$keep" && pwd)
    else
        work=$(mktemp -d "${TMPDIR:-/tmp}/stoplog-tour.XXXXXX")
    fi
    chmod 0755 "$work"
}

tour_end() {
    printf '\n%s%d steps in %d seconds, %d wrong.%s\n' "$tour_bold" "$tour_number" \
        $((SECONDS - tour_started)) "$tour_failures" "$tour_plain" >&2
    python3 -c '
import json, sys
summary = {"steps": int(sys.argv[1]), "wrong": int(sys.argv[2]), "seconds": int(sys.argv[3])}
summary.update(fact.split("=", 1) for fact in sys.argv[4:])
print(json.dumps({"summary": summary}, ensure_ascii=False))
' "$tour_number" "$tour_failures" $((SECONDS - tour_started)) "${tour_facts[@]}"
    if [ "$tour_failures" -ne 0 ]; then
        exit 1
    fi
    if [ "$once" = no ]; then
        tour_stay
    fi
}

# What keeps running after the tour; parts that start something say more about it.
tour_stay() {
    printf '\nEverything keeps running; Ctrl-C ends it.\n' >&2
    while :; do
        sleep 3600 &
        wait $! || true
    done
}
