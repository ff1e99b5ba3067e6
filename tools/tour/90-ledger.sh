# The record: verified, proved from outside, and a changed copy named.

step "Verify the ledger, then a copy with one flipped byte"
verified=$("$stoplog" --json ledger verify) || wrong "the ledger does not verify: $verified"
say "$(json_get summary size <<<"$verified") leaves verify from the genesis on."
"$stoplog" ledger prove 0 >"$work/receipt.txt" || wrong "no receipt for leaf 0"
if "$stoplog" ledger verify-receipt "$work/receipt.txt" --key "$vkey" >/dev/null; then
    say "the receipt of leaf 0 verifies with nothing but the ledger's public key."
else
    wrong "the receipt does not verify"
fi
cp -r "$site/ledger" "$work/tampered"
tampered=$(python3 - "$work/tampered" <<'PYTHON'
import pathlib
import sys

def end(path):
    """Where a bundle ends in the log: partial ones lie in a folder NUMBER.p by their width."""
    if path.parent.name.endswith(".p"):
        return int(path.parent.name[:-2]) * 256 + int(path.name)
    return int(path.name) * 256 + 256


# The newest bundle of leaves, one bit in its middle.
bundles = [p for p in pathlib.Path(sys.argv[1]).glob("tile/entries/**/*") if p.is_file()]
bundle = max(bundles, key=end)
data = bytearray(bundle.read_bytes())
data[len(data) // 2] ^= 1
bundle.write_bytes(data)
print(f"byte {len(data) // 2} of {bundle.relative_to(sys.argv[1])}")
PYTHON
)
status=0
judged=$("$stoplog" --json ledger verify "$work/tampered" --key "$vkey" 2>&1) || status=$?
judged=$(tail -n 1 <<<"$judged")
say "one bit flipped in $tampered: exit status $status"
show <<<"$judged"
[ "$status" -eq 4 ] || wrong "the changed copy was not called an integrity failure"
why "a record that its keeper can edit is no record; here the first wrong leaf is named."
receipt "root $(json_get summary root <<<"$verified")"
fact ledger_size "$(json_get summary size <<<"$verified")"
fact root "$(json_get summary root <<<"$verified")"
fact tampering_named "$([ "$status" -eq 4 ] && echo yes || echo no)"
