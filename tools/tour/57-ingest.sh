# Data goes in: classified, sealed, recorded in one crossing.

step "Let the data in"
# Three records of people who do not exist are planted beside each object: nobody may ever see them.
printf 'canaries: 3\n' >"$site/policy/ingest.yml"
chmod 0644 "$site/policy/ingest.yml"
tour_ingest() { # COMPARTMENT PATH...
    local compartment=$1
    shift
    "$stoplog" --json ingest "$compartment" "$@" 2>>"$work/commands.log" >"$work/ingest.jsonl" ||
        wrong "ingest failed: $(tail -n 1 "$work/ingest.jsonl") $(tail -n 2 "$work/commands.log")"
    tail -n 1 "$work/ingest.jsonl"
}
if [ -n "$data" ]; then
    taken=$(tour_ingest trial "$trial")
else
    tour_ingest trial "$trial/sites/enrolment-log.csv" "$trial/sdtm/dm.xpt" "$trial/sdtm/ae.csv" \
        "$trial/sdtm/lb.xpt" >/dev/null
    tour_ingest chemistry "$trial/chemistry/compounds.csv" >/dev/null
    taken=$(tour_ingest trial "$trial/narratives")
fi
"$stoplog" object list | sed -n 1,4p | cut -c 1-100 | show
say "$("$stoplog" object list | wc -l) objects sealed, each with its own key, each with its leaves."
if [ -z "$data" ]; then
    "$stoplog" object verify trial enrolment-log.csv 2>&1 | show ||
        wrong "a sealed object does not verify"
    tour_family=$(cut -d, -f3 "$trial/sites/enrolment-log.csv" | sed -n 2p)
    if grep -rqaF "$tour_family" "$site"; then
        wrong "a patient's name stands somewhere in the site in plain text"
    else
        say "looked through every file of the site for '$tour_family': it is nowhere in plain text."
    fi
fi
why "what enters is classified, sealed and written down at once, or not at all."
fact objects "$("$stoplog" object list | wc -l)"
