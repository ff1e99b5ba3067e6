# What the ledger shows about the site, and what it does not show.

step "Ask for the state of assurance"
# Door and egress tell their counts when a minute is over: the first may not be, yet.
tour_state() {
    "$stoplog" --json assure status 2>/dev/null | grep -F "\"$1\"" | head -n 1 | json_get state || true
}
tour_until=$((SECONDS + 75))
until [ "$(tour_state ledger.complete)" = pass ] || [ "$SECONDS" -ge "$tour_until" ]; do
    sleep 1
done
for tour_check in ledger.consistent ledger.complete; do
    say "$tour_check, which all others hang on: $(tour_state "$tour_check")"
    [ "$(tour_state "$tour_check")" = pass ] || wrong "$tour_check does not pass"
done
why "the egress counted each request on its own; its count and the door's agree to the last one."
assured=$("$stoplog" --json assure status 2>"$work/assure.log" || true)
summary=$(tail -n 1 <<<"$assured")
tour_pass=$(json_get summary pass <<<"$summary")
if [ -n "$tour_pass" ]; then
    say "$tour_pass checks pass, $(json_get summary fail <<<"$summary") fail," \
        "$(json_get summary unknown <<<"$summary") are unknown. Some of those that are not unknown:"
    "$stoplog" assure status 2>/dev/null | grep -E '^(pass|FAIL)' | head -n 8 | show || true
    why "a site that is minutes old has shown little; unknown counts against it and is never green."
    fact checks_pass "$tour_pass"
    fact checks_unknown "$(json_get summary unknown <<<"$summary")"
else
    wrong "no state of assurance: $(tail -n 2 "$work/assure.log")"
fi
