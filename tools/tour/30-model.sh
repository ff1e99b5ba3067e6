# The model to guard: the caller's own, or one trained here on the trial's texts.

if [ -z "$upstream" ] && [ -z "$data" ]; then
    step "Train a language model on the trial's notes"
    model=$work/trial.ngram
    trained=$("$ngram" train --out "$model" --passes 4 "$trial/notes" "$trial/narratives")
    say "$(json_get tokens <<<"$trained") tokens; an interpolated n-gram model, trained in moments." \
        "It continues text;"
    say "it is no assistant. Unguarded, it is asked to go on from one first name:"
    note=$trial/notes/STP-301-011-1001-V2.txt
    tour_line=$(sed -n 's/^\(Patient: .*\)/\1/p' "$note")
    tour_prompt=$(sed -n 1,2p "$note")$'\n'${tour_line%% DOB*}
    tour_prompt=${tour_prompt% *  }
    tour_rest=${tour_line#"${tour_prompt##*$'\n'}"}
    recited=$("$ngram" complete "$model" --prompt "$tour_prompt" --tokens 60)
    printf '%s%s\n' "$tour_prompt" "$recited" | sed -n 3,5p | show
    if [ -n "$tour_rest" ] && [ "${recited:0:${#tour_rest}}" = "$tour_rest" ]; then
        say "Given a first name, it recites the family name, date of birth and record number."
    else
        wrong "the model did not recite the note"
    fi
    why "a model trained on records remembers some of them; large ones do so too."
    fact unguarded_recitation yes
fi
