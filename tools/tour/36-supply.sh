# A model comes in: what would loading it do, who made it, and is it still what they made?

if [ -z "$data" ]; then
    step "Take in a model from somebody else"
    tour_model=$work/model
    mkdir -p "$tour_model"
    # Sixteen zeros as a tensor, and its description.
    tour_head='{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    printf '%b%s\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' "\\x$(printf %02x ${#tour_head})\0\0\0\0\0\0\0" \
        "$tour_head" >"$tour_model/model.safetensors"
    printf '{"model_type":"llama","architectures":["LlamaForCausalLM"]}' >"$tour_model/config.json"
    "$stoplog" sign --new-key "$work/maker.pem" >"$work/sign.log" 2>&1 &&
        "$stoplog" sign "$tour_model" --key "$work/maker.pem" >>"$work/sign.log" 2>&1 ||
        wrong "the model was not signed: $(tail -n 2 "$work/sign.log")"
    "$stoplog" verify "$tour_model" --key "$work/maker.pem.pub" >"$work/verify.log" 2>&1 ||
        wrong "a good signature did not verify: $(tail -n 2 "$work/verify.log")"
    head -n 3 "$work/verify.log" | sed "s|$work/||g" | show
    say "Then somebody puts a file beside it, with an innocent name:"
    # An inert pickle: what it would call is named, nothing is loaded.
    printf "cos\nsystem\n(S'echo inert'\ntR." >"$tour_model/extra.bin"
    if "$stoplog" verify "$tour_model" --key "$work/maker.pem.pub" >"$work/verify.log" 2>&1; then
        wrong "a file that nobody signed passed"
    fi
    head -n 2 "$work/verify.log" | sed "s|$work/||g" | show
    "$stoplog" scan "$tour_model" >"$work/scan.log" 2>&1 || true
    head -n 3 "$work/scan.log" | sed "s|$work/||g" | show
    tour_verdict=$("$stoplog" scan --json "$tour_model" | grep -c '"class":"dangerous"' || true)
    [ "$tour_verdict" = 1 ] || wrong "a pickle that calls os.system is not dangerous"
    why "a model is a program as long as nobody has looked: its maker's name and its content are two questions."
    fact dangerous_files "$tour_verdict"
fi
