# Somebody else vouches for the ledger's history: a witness with a key of its own.

step "Let a witness cosign the ledger"
background "$work/witness.log" "$stoplog" ledger witness serve --name "$witness_name" \
    --key-file "$work/witness.key" --state "$work/witness" --listen "unix:$work/witness.sock" \
    --log "$vkey"
wait_for 10 "the witness" grep -q 'listens at' "$work/witness.log"
for tour_round in 1 2; do # the first cosignature has nothing to compare with, the second does
    if witnessed=$("$stoplog" --json ledger witness --ask "unix:$work/witness.sock" \
        --witness "$witness_vkey" 2>>"$work/commands.log"); then
        show <<<"$witnessed"
        [ "$(json_get summary recorded <<<"$witnessed")" = true ] || wrong "it made no leaf"
    else
        wrong "the witness did not cosign: $(tail -n 2 "$work/commands.log")"
    fi
    [ "$tour_round" = 2 ] || sleep 1.2 # the ledger is published once a second
done
why "the witness has signed that each ledger it saw begins with the one before. Here it is a second"
why "process with its own key; a real one belongs to somebody else. config.yml names its key."
fact witnessed "$(json_get summary recorded <<<"$witnessed")"
