# Requests through the door.

# ask MODEL TEXT [CURL OPTIONS...]: a streamed chat; the answer's head goes to $work/head.
ask() {
    local model=$1 text=$2
    shift 2
    python3 -c 'import json, sys
print(json.dumps({"model": sys.argv[1], "stream": True, "temperature": 0, "max_tokens": 300,
                  "messages": [{"role": "user", "content": sys.argv[2]}]}))' "$model" "$text" |
        curl -sN -D "$work/head" -m 30 "http://$front/v1/chat/completions" \
            -H 'Content-Type: application/json' -H "Authorization: Bearer $key" -d @- "$@"
}
head_receipt() { sed -n 's/^[Xx]-[Ss]toplog-[Rr]eceipt: *\([^[:cntrl:]]*\).*/\1/p' "$work/head"; }
head_status() { sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p' "$work/head"; }
stream_outcome() { sed -n 's/^: stoplog outcome=\([a-z_]*\).*/\1/p'; }

wait_for 10 "the grant at the door" eval \
    '[ "$(ask scripted hello >/dev/null; head_status)" = 200 ]'

step "Ask an ordinary question"
answer=$(ask scripted "Which visit comes after week four?")
stream_text <<<"$answer" | { cat && echo; } | show
[ "$(stream_text <<<"$answer")" = "You said: Which visit comes after week four?" ] ||
    wrong "the answer is not what the model server said"
why "what is harmless passes, streamed, and is recorded all the same."
receipt "$(head_receipt) ($(stream_outcome <<<"$answer"))"
fact ordinary_receipt "$(head_receipt)"

step "Ask about a patient: identifiers are replaced on the way in and put back on the way out"
question="Summarise MRN: 82232973, phone (216) 555-0163, born 01/10/1991."
answer=$(ask scripted "$question")
seen=$(tail -n 1 "$work/scripted.jsonl" | json_get body messages 0 content)
{
    printf 'dana asks:         %s\n' "$question"
    printf 'the model sees:    %s\n' "$seen"
    printf 'dana gets back:    %s\n' "$(stream_text <<<"$answer")"
} | show
if grep -qE '82232973|555-0163|01/10/1991' <<<"$seen"; then
    wrong "an identifier reached the model server"
fi
grep -qF "$question" <<<"$(stream_text <<<"$answer")" || wrong "the identifiers were not put back"
why "the model server works with stand-ins of the same form; nothing is stored to map them back."
receipt "$(head_receipt) ($(stream_outcome <<<"$answer"))"
fact pseudonyms_restored yes

step "Ask a model that draws on another compartment"
answer=$(ask chemist "Which scaffold is best?")
show <<<"$answer"
[ "$(head_status)" = 403 ] || wrong "the request was not refused"
why "a key opens what its grants name and nothing beside it."
fact other_compartment_refused yes

if [ -z "$data" ]; then
    step "Ask the model that was trained on the notes to recite one"
    answer=$(ask notes "$tour_prompt")
    released=$(stream_text <<<"$answer")
    {
        printf '%s%s\n' "${tour_prompt##*$'\n'}" "$released" | head -n 4
        stream_outcome <<<"$answer" | sed 's/^/outcome: /'
    } | show
    if grep -qE "$(sed -n 's/.*MRN: \([0-9]*\).*/\1/p' <<<"$tour_line")" <<<"$released"; then
        wrong "the patient's record number came through"
    fi
    why "the same prompt, the same model as in step 3; now there is a door between them."
    receipt "$(head_receipt) ($(stream_outcome <<<"$answer"))"
    fact recitation "$(stream_outcome <<<"$answer")"
fi
