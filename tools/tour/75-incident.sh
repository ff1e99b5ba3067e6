# A stolen key: spent, signalled, contained, undone.

step "A stolen key goes beyond its budget"
must "$stoplog" grant eve trial --door ask --purpose research --until 1d --requests 3/h \
    --records 1000/d "${signed[@]}"
stolen=$("$stoplog" --json key issue eve "${signed[@]}" 2>>"$work/commands.log" | tail -n 1 |
    json_get summary key)
tour_knock() { # one short request with the stolen key; prints the status
    curl -s -o /dev/null -w '%{http_code}' -m 20 "http://$front/v1/chat/completions" \
        -H 'Content-Type: application/json' -H "Authorization: Bearer $stolen" \
        -d '{"model":"scripted","messages":[{"role":"user","content":"more"}]}'
}
tour_first=''
for _ in $(seq 50); do # the grant reaches the door within a moment
    tour_first=$(tour_knock)
    [ "$tour_first" = 200 ] && break
    sleep 0.1
done
tour_codes=$tour_first
for _ in 2 3 4; do
    tour_codes="$tour_codes $(tour_knock)"
done
incident=''
for _ in $(seq 50); do
    incident=$("$stoplog" incident list | awk '$2 == "contained" { id = $1 } END { print id }')
    [ -n "$incident" ] && break
    sleep 0.1
done
tour_after=$(tour_knock)
say "eve may ask 3 times an hour. HTTP $tour_codes: the fourth is refused and signalled; then $tour_after."
if [ -n "$incident" ] && [ "$tour_after" = 503 ]; then
    "$stoplog" incident show "$incident" | show
else
    wrong "the key was not contained (incident '$incident', HTTP $tour_after)"
fi
why "the door refused, the watch signalled, the warden closed: three processes, each with its own leaf."
fact incident "$incident"

step "Undo the incident"
must "$stoplog" incident undo "$incident" "${signed[@]}"
for _ in $(seq 50); do # the ledger is published once a second
    "$stoplog" incident list | grep -q "^$incident  contained" || break
    sleep 0.1
done
"$stoplog" incident show "$incident" | show
tour_after=$(tour_knock)
say "two operators opened the door for eve again; the budget still holds: HTTP $tour_after."
[ "$tour_after" = 429 ] || wrong "after the undo the door answered $tour_after"
why "a containment that cannot be taken back is not used in time; this one can, by a quorum."
fact incident_undone yes
