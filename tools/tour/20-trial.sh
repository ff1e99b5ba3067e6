# The data: a synthetic trial, or the caller's own files.

if [ -n "$data" ]; then
    [ -d "$data" ] || cannot "--data: there is no directory '$data'"
    trial=$(cd "$data" && pwd)
else
    step "Make a synthetic trial"
    trial=$work/trial
    made=$(build/tools/trial-generator/trial-generator --out "$trial" --subjects 48 --seed 1)
    say "$(json_get subjects <<<"$made") invented subjects at six sites in five countries," \
        "$(json_get documents <<<"$made") notes and narratives in four languages,"
    say "six SDTM tables as CSV and SAS transport, $(json_get compounds <<<"$made") structures."
    why "nobody in it exists, yet it looks like what a sponsor must not lose."
    fact subjects "$(json_get subjects <<<"$made")"
fi
