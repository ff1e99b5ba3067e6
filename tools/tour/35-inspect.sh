# What the detectors see, before there is any site.

if [ -z "$data" ]; then
    step "Look at four notes in four languages"
    tour_found=0
    for subject in 021-1001 031-1001 041-1001 051-1001; do
        note=$trial/notes/STP-301-$subject-V2.txt
        lines=$("$stoplog" inspect "$note" || true)
        tour_found=$((tour_found + $(grep -c ' transform$' <<<"$lines" || true)))
        "$stoplog" inspect --redact "$note" | sed -n 3,4p | show || true
    done
    say "$tour_found identifiers found by form and check digit, nothing looked up, nothing sent anywhere."
    say "Names are not among them yet: those a site knows from its own roster."
    [ "$tour_found" -ge 16 ] || wrong "fewer identifiers found than the notes hold"
    why "what a door cannot see it cannot stop; here is what it sees without any help."
    fact identifiers_found "$tour_found"
fi
