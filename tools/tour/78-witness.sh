# Somebody else vouches for the ledger's history: a witness with a key of its own.

step "See a witness cosign the ledger"
tour_witness() { # state | size | leaf
    "$stoplog" --json status 2>>"$work/commands.log" | tail -n 1 | json_get summary witness "$1"
}
for _ in $(seq 100); do # the site asks by itself, and again when the ledger has grown
    [ "$(tour_witness state)" = cosigned ] && [ -s "$site/ledger/checkpoint.cosigned" ] && break
    sleep 0.2
done
if [ "$(tour_witness state)" = cosigned ]; then
    sed -n '2p; 4,$p' "$site/ledger/checkpoint.cosigned" | cut -c 1-100 | show
    say "the checkpoint of so many leaves bears the ledger's signature and the witness's."
else
    wrong "the witness did not cosign: $("$stoplog" status 2>&1 | grep '^witness')"
fi
why "the witness has signed that each ledger it saw begins with the one before. Here it is a second"
why "process with its own key; a real one belongs to somebody else. An old copy of this whole site would"
why "not start any more: the witness remembers."
fact witnessed "$([ "$(tour_witness state)" = cosigned ] && echo true || echo false)"
