# Compartments, a grant and a key, each signed by two operators.

step "Two compartments, a grant for a data scientist, a key"
signed=(--key "$work/operators/ada.key" --key "$work/operators/ben.key")
must() { "$@" >>"$work/commands.log" 2>&1 || cannot "$* failed: $(tail -n 3 "$work/commands.log")"; }
must "$stoplog" compartment create trial "${signed[@]}"
must "$stoplog" compartment create chemistry "${signed[@]}"
must "$stoplog" grant dana trial --door ask,ingest --purpose research --until 1d \
    --requests 2000/h --tokens 2000000/d --records 100000/d "${signed[@]}"
must "$stoplog" grant carl chemistry --door ingest --purpose research --until 1d \
    --records 100000/d "${signed[@]}"
issued=$("$stoplog" --json key issue dana "${signed[@]}" 2>>"$work/commands.log") ||
    cannot "no key was issued: $issued"
key=$(tail -n 1 <<<"$issued" | json_get summary key)
"$stoplog" compartment list | show
say "dana may ask models that draw on 'trial'; nobody may ask those that draw on 'chemistry';"
say "carl may bring data into 'chemistry'."
alone=0
"$stoplog" compartment shred chemistry --key "$work/operators/ada.key" >"$work/alone.log" 2>&1 || alone=$?
if [ "$alone" -eq 1 ]; then
    say "ada alone cannot destroy a compartment: that waits for a second person, and then for a delay."
else
    wrong "one operator's signature was not refused (status $alone)"
fi
why "the signatures are leaves; the vault verifies them itself and trusts nobody's word."
fact compartments 2
