# The site comes up: nginx in front and behind, and one confined process for each job.

step "Start the model server, then the site"
free_port() {
    python3 -B tests/e2e/ports.py
}
front=127.0.0.1:$(free_port)
scripted=127.0.0.1:$(free_port)
background "$work/scripted.log" tools/scripted-upstream/scripted-upstream --listen "$scripted" \
    --log "$work/scripted.jsonl" --delay-ms 5
say "a scripted model server that echoes and calls tools (it is no model and says so),"
if [ -z "$upstream" ]; then
    model_address=127.0.0.1:$(free_port)
    background "$work/ngram.log" "$ngram" serve "$model" --socket "$work/ngram.sock" --delay-ms 30 \
        --name notes
    mkdir -p "$work/ngram-nginx"
    sed -e "s|@DIR@|$work/ngram-nginx|; s|@LISTEN@|$model_address|; s|@SOCKET@|$work/ngram.sock|" \
        tools/ngram-model/nginx.conf.in >"$work/ngram-nginx.conf"
    background "$work/ngram-nginx.log" "$(PATH=$PATH:/usr/sbin command -v nginx)" \
        -p "$work/ngram-nginx" -e stderr -c "$work/ngram-nginx.conf"
    upstream=http://$model_address/v1
    wait_for 10 "the model server" curl -sf "$upstream/models"
    say "and the n-gram model behind an nginx of its own."
fi
wait_for 10 "the scripted server" curl -sf "http://$scripted/v1/models"
leaky_address=127.0.0.1:$(free_port) # a model that the drill will poison with canaries
witness_name=witness.example/tour
witness_vkey=$("$stoplog" ledger witness key --name "$witness_name" --key-file "$work/witness.key") ||
    cannot "no key for the witness"
witness_address=127.0.0.1:$(free_port)
background "$work/witness.log" "$stoplog" ledger witness serve --name "$witness_name" \
    --key-file "$work/witness.key" --state "$work/witness" --listen "$witness_address" --log "$vkey"
wait_for 10 "the witness" grep -q 'listens at' "$work/witness.log"
cat >"$site/config.yml" <<YAML
front:
  listen: "$front"
egress:
  upstreams:
    - name: notes
      url: "$upstream"
    - name: scripted
      url: "http://$scripted/v1"
    - name: leaky
      url: "http://$leaky_address/v1"
ledger:
  witness_every: 5s
  witnesses:
    - key: "$witness_vkey"
      url: "http://$witness_address"
assure:
  max_records: 1000000
  max_compartments: 2
ask:
  restore_tools: [look_up]
  models:
    - name: notes
      upstreams: [notes]
      compartments: [trial]
    - name: scripted
      upstreams: [scripted]
      compartments: [trial]
    - name: leaky
      upstreams: [leaky]
      compartments: [trial]
    - name: chemist
      served_as: scripted
      upstreams: [scripted]
      compartments: [chemistry]
YAML
"$stoplog" config check >"$work/config.log" 2>&1 || cannot "config.yml: $(cat "$work/config.log")"
# What this machine cannot give is accepted by name, and the leaf of the start says so.
tour_up=()
for attempt in 1 2 3 4 5 6; do
    background "$work/up.log" "$stoplog" up "${tour_up[@]}"
    tour_up_pid=${tour_pids[-1]}
    until grep -q 'the site is up' "$work/up.log" || ! kill -0 "$tour_up_pid" 2>/dev/null; do
        sleep 0.1
    done
    missing=$(sed -n 's/.*lacks the layer \([a-z-]*\):.*/\1/p' "$work/up.log" | sort -u)
    grep -q 'the site is up' "$work/up.log" && break
    [ -n "$missing" ] || cannot "the site did not come up: $(tail -n 5 "$work/up.log")"
    for layer in $missing; do
        tour_up+=(--accept-missing "$layer")
    done
done
status_text=$("$stoplog" status)
grep -E '^(process|door)' <<<"$status_text" | show
if [ ${#tour_up[@]} -gt 0 ]; then
    say "missing on this machine, and accepted by name: ${tour_up[*]//--accept-missing/}"
fi
why "each process was born with an empty root and a filter on its system calls: a bug in one is not"
why "the end of the others. Two doors are not built yet, and say so."
fact processes "$(grep -c '^process' <<<"$status_text")"
