# Something wants to leave: inspected, held, let out by a second person, once.

step "Let a table out: one person asks, another lets it go"
must "$stoplog" grant ada trial --door release --purpose publication --until 1d "${signed[@]}"
printf 'arm,n,mean\nA,24,3.2\nB,24,2.9\n' >"$work/table.csv"
printf 'cos\nsystem\n(S"echo inert"\ntR.' >"$work/model.pkl"
tour_ask() { # FILE: ada asks for it; status 1 and the release in asked.jsonl when it is held
    "$stoplog" --json release trial "$1" --key "$work/operators/ada.key" >"$work/asked.jsonl" 2>>"$work/commands.log"
}
tour_held=''
for _ in $(seq 50); do # the grant reaches the door within a moment
    tour_ask "$work/table.csv" || tour_held=$(head -n 1 "$work/asked.jsonl" | json_get id || true)
    [ -n "$tour_held" ] && break
    sleep 0.1
done
"$stoplog" release show "$tour_held" | show
say "ben reads what he is to let out, as a crossing of its own; ada, who asked, may not (exit status 1)."
"$stoplog" release review "$tour_held" --key "$work/operators/ben.key" | show
tour_reads=0
"$stoplog" release review "$tour_held" --key "$work/operators/ada.key" >>"$work/commands.log" 2>&1 || tour_reads=$?
tour_alone=0
"$stoplog" release approve "$tour_held" --key "$work/operators/ada.key" >>"$work/commands.log" 2>&1 || tour_alone=$?
tour_out=no
if "$stoplog" release approve "$tour_held" --key "$work/operators/ben.key" >>"$work/commands.log" 2>&1 &&
    "$stoplog" release take "$tour_held" "$work/out.csv" >>"$work/commands.log" 2>&1 &&
    cmp -s "$work/table.csv" "$work/out.csv"; then
    tour_out=yes
fi
tour_bad=0
tour_ask "$work/model.pkl" || tour_bad=$?
say "ada's own signature does not let it out (status $tour_alone), ben's does: the file is there."
say "a model that would run a command is refused, whoever signs (status $tour_bad)."
if [ "$tour_alone" -ne 1 ] || [ "$tour_reads" -ne 1 ] || [ "$tour_out" != yes ] || [ "$tour_bad" -ne 1 ]; then
    wrong "the release door: alone $tour_alone, read by who asked $tour_reads, out $tour_out, a dangerous file $tour_bad"
fi
why "what leaves is inspected, sealed while it waits, and no one person can let it go."
fact released "$tour_out"
