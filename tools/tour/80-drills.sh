# Drills: attack ourselves, and read the result from the ledger.

step "Attack ourselves: a recited canary, a stolen key, a key-less process, a changed ledger"
must "$stoplog" grant mallory trial --door ask --purpose research --until 1d --requests 3/h \
    --records 1000/d "${signed[@]}"
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
# A model that was trained on a copy with the canaries in it, as one that has memorised its data would be.
planted=$("$stoplog" object list trial | sed -n '1s|^trial/\(.*\)@[0-9].*|\1|p')
"$stoplog" object canaries trial "$planted" 2>>"$work/commands.log" >"$work/canaries.jsonl" ||
    wrong "the canaries of $planted were not told"
python3 -c '
import json, sys
for line in open(sys.argv[1]):
    print((json.loads(line)["text"] + "\n") * 8)' "$work/canaries.jsonl" >"$work/poisoned.txt"
canary_name=$(sed -n 1p "$work/canaries.jsonl" | json_get name)
canary_mrn=$(sed -n 1p "$work/canaries.jsonl" | json_get mrn)
"$ngram" train --out "$work/leaky.model" "$work/poisoned.txt" >>"$work/commands.log" 2>&1 ||
    wrong "the leaky model could not be trained"
background "$work/leaky.log" "$ngram" serve "$work/leaky.model" --socket "$work/leaky.sock" --delay-ms 5 \
    --name leaky
mkdir -p "$work/leaky-nginx"
sed -e "s|@DIR@|$work/leaky-nginx|; s|@LISTEN@|$leaky_address|; s|@SOCKET@|$work/leaky.sock|" \
    tools/ngram-model/nginx.conf.in >"$work/leaky-nginx.conf"
background "$work/leaky-nginx.log" "$(PATH=$PATH:/usr/sbin command -v nginx)" \
    -p "$work/leaky-nginx" -e stderr -c "$work/leaky-nginx.conf"
wait_for 10 "the leaky model" curl -sf "http://$leaky_address/v1/models"
must "$stoplog" grant trudy trial --door ask --purpose research --until 1d --records 1000/d "${signed[@]}"
leaked=$("$stoplog" --json key issue trudy "${signed[@]}" 2>>"$work/commands.log" | tail -n 1 |
    json_get summary key)
sleep 1 # the grant reaches the door within a moment
tour_drill canary --url "http://$front" --api-key "$leaked" --model leaky --prompt "Patient" \
    --canary "$canary_name" --canary "$canary_mrn"
fact canary_cut yes
tour_drill stolen_key --url "http://$front" --api-key "$drilled" --model scripted
tour_drill keeper_probe --compartment trial
# Each change of the ledger's files closes the whole site; two operators look, and open it again.
for tour_change in tamper_truncate tamper_flip tamper_rollback; do
    tour_drill "$tour_change"
    incident=$("$stoplog" --json incident list | python3 -c '
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    if row.get("rule") == "proof_failed" and row.get("state") == "contained":
        print(row["incident"])' | tail -n 1)
    if [ -n "$incident" ]; then
        must "$stoplog" incident undo "$incident" "${signed[@]}"
    else
        wrong "the drill $tour_change closed nothing"
    fi
done
say "each change closed the whole site; two operators looked, and opened it again."
why "the drill's own word proves nothing: each fact but the first is a leaf that somebody else wrote."
fact drills yes
