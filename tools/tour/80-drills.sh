# Drills: attack ourselves, and read the result from the ledger.

step "Attack ourselves: a stolen key, a flipped bit, a ledger cut short"
must "$stoplog" grant mallory trial --door ask --purpose research --until 1d --requests 3/h "${signed[@]}"
drilled=$("$stoplog" --json key issue mallory "${signed[@]}" 2>>"$work/commands.log" | tail -n 1 |
    json_get summary key)
tour_drill() { # ID OPTION...
    local status=0
    "$stoplog" drill run "$@" >"$work/drill.log" 2>&1 || status=$?
    show <"$work/drill.log"
    [ "$status" = 0 ] || wrong "the drill $1 ended with status $status"
}
for _ in $(seq 50); do # the grant reaches the door within a moment
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$front/v1/models" -H "Authorization: Bearer $drilled")" = 200 ] && break
    sleep 0.1
done
tour_drill stolen_key --url "http://$front" --api-key "$drilled" --model scripted
tour_drill tamper_truncate
tour_drill tamper_flip
incident=$("$stoplog" --json incident list | python3 -c '
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    if row.get("rule") == "proof_failed" and row.get("state") == "contained":
        print(row["incident"])' | tail -n 1)
if [ -n "$incident" ]; then
    must "$stoplog" incident undo "$incident" "${signed[@]}"
    say "a flipped bit closed the whole site; two operators looked, and opened it again."
else
    wrong "the flipped bit closed nothing"
fi
why "the drill's own word proves nothing: each fact but the first is a leaf that somebody else wrote."
fact drills yes
