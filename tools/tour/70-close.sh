# A compartment closes while an answer streams.

if [ -z "$data" ]; then
    step "Close the compartment while an answer is streaming"
    # Harmless and long: what the memorising model would say is cut before its first word.
    tour_words=$(printf 'The nurse explains every step of the visit once more. %.0s' $(seq 150))
    ask scripted "$tour_words" >"$work/stream" &
    tour_stream=$!
    tour_pids+=("$tour_stream")
    wait_for 10 "the stream" grep -q '"content"' "$work/stream"
    sleep 0.5
    "$stoplog" compartment close trial "${signed[@]}" >"$work/close.log" 2>&1 ||
        wrong "the compartment was not closed: $(tail -n 2 "$work/close.log")"
    closed_at=$(date +%s%N)
    for _ in $(seq 200); do
        kill -0 "$tour_stream" 2>/dev/null || break
        sleep 0.01
    done
    if kill -0 "$tour_stream" 2>/dev/null; then
        wrong "the stream went on"
    else
        say "the stream ended $((($(date +%s%N) - closed_at) / 1000000)) ms after the command returned:"
    fi
    tail -n 4 "$work/stream" | cut -c 1-240 | show
    refused=$(ask notes "Again?")
    say "a new request meets HTTP $(head_status), $(json_get error code <<<"$refused" || true)"
    [ "$(head_status)" != 200 ] || wrong "a closed compartment answered"
    "$stoplog" compartment open trial "${signed[@]}" >"$work/open.log" 2>&1 ||
        wrong "the compartment did not open again: $(tail -n 2 "$work/open.log")"
    # Each ask process takes its keys anew; several requests in a row reach all of them.
    all_doors_answer() {
        for _ in 1 2 3 4 5 6 7 8; do
            ask scripted hello >/dev/null
            [ "$(head_status)" = 200 ] || return 1
        done
    }
    wait_for 20 "the opened compartment" all_doors_answer
    say "opened again by two signatures; requests pass."
    why "closing is one command and acts at the next event of every stream; opening takes a quorum."
    fact closed_mid_stream yes
fi
