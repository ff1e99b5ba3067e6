# Shell shared by ./check and .ci/run: steps, tallies and the closing line. Sourced, never run.
# Progress goes to stderr; the closing line is the last line of stdout.

sl_passed=0
sl_failed=0
sl_skipped=0
sl_failures=()
sl_notes=()

sl_begin() {
    sl_started=$SECONDS
    sl_tmp=$(mktemp -d "${TMPDIR:-/tmp}/stoplog-check.XXXXXX")
    trap 'rm -rf "$sl_tmp"' EXIT
    trap 'exit 130' INT TERM HUP
}

sl_step() { printf '== %s (%d s)\n' "$*" "$((SECONDS - sl_started))" >&2; }

sl_note() {
    sl_notes+=("$*")
    printf '   note: %s\n' "$*" >&2
}

sl_fail() {
    sl_failed=$((sl_failed + 1))
    sl_failures+=("$*")
    printf '   FAILED: %s\n' "$*" >&2
}

sl_pass() { sl_passed=$((sl_passed + 1)); }

# Adds the counts of a closing line `N passed, N failed[, N skipped]`, given as $2, for step $1.
sl_tally_line() {
    if [[ $2 =~ ([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
        sl_passed=$((sl_passed + BASH_REMATCH[1]))
        sl_failed=$((sl_failed + BASH_REMATCH[2]))
        sl_skipped=$((sl_skipped + ${BASH_REMATCH[4]:-0}))
        [ "${BASH_REMATCH[2]}" -eq 0 ] || sl_failures+=("$1: ${BASH_REMATCH[2]} failed")
        printf '   %s: %s\n' "$1" "${BASH_REMATCH[0]}" >&2
    else
        sl_fail "$1 ended without a closing line"
    fi
}

# Counts Meson's log $2 for step $1; $3 is what Meson printed, shown when there is no log.
sl_tally_log() {
    local line
    if [ ! -s "$2" ]; then
        tail -n 40 "$3" >&2
        sl_fail "$1 did not run"
        return
    fi
    line=$(tools/count-tests ${CHECK_NO_SKIP:-} "$2") || true
    sl_tally_line "$1" "$line"
    # Meson may stop half-way for reasons of its own; what did not run must not look well.
    if grep -q '^ERROR' "$3"; then
        grep -A 3 '^ERROR' "$3" >&2
        sl_fail "$1 did not run to the end"
    fi
}

# Runs a command that ends with a closing line; its output is shown only when something failed.
sl_tally_command() {
    local name=$1 failed_before=$sl_failed status=0 line
    shift
    "$@" >"$sl_tmp/command.log" 2>&1 || status=$?
    line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed' "$sl_tmp/command.log" | tail -n 1)
    sl_tally_line "$name" "$line"
    if [ "$status" -ne 0 ] && [ "$sl_failed" -eq "$failed_before" ]; then
        sl_fail "$name ended with status $status"
    fi
    [ "$sl_failed" -eq "$failed_before" ] || tail -n 60 "$sl_tmp/command.log" >&2
}

# Copies the tree at $1, tracked files and new ones alike, without builds, into $2.
sl_copy_tree() {
    if git -C "$1" rev-parse --git-dir >/dev/null 2>&1; then
        (cd "$1" && git ls-files -z --cached --others --exclude-standard |
            while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done |
            tar --null -T - -cf -) | tar -C "$2" -xf - --no-same-owner
    else
        tar -C "$1" --exclude=./build --exclude='./build-*' -cf - . | tar -C "$2" -xf - --no-same-owner
    fi
}

# Prints what went wrong and the closing line, and ends the script with the fitting status.
sl_end() {
    local item
    for item in "${sl_notes[@]}"; do printf 'note: %s\n' "$item" >&2; done
    for item in "${sl_failures[@]}"; do printf 'FAILED: %s\n' "$item" >&2; done
    printf 'took %d s\n' "$((SECONDS - sl_started))" >&2
    printf '%d passed, %d failed, %d skipped\n' "$sl_passed" "$sl_failed" "$sl_skipped"
    [ "$sl_failed" -eq 0 ] || exit 1
    exit 0
}
