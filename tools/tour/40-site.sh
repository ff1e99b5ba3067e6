# The site: three operators, leaf 0.

step "Make a site with three operators"
site=$work/site
mkdir -p "$work/operators"
tour_init=()
for name in ada ben chloe; do
    openssl genpkey -algorithm ed25519 -out "$work/operators/$name.key" 2>/dev/null
    openssl pkey -in "$work/operators/$name.key" -pubout -out "$work/operators/$name.pub"
    chmod 0600 "$work/operators/$name.key"
    tour_init+=(--operator "$name=$work/operators/$name.pub")
done
if made=$("$stoplog" --json init "$site" "${tour_init[@]}" --quorum 2 --delay 5 2>"$work/init.log"); then
    say "site $(json_get summary site <<<"$made"): three operators, any two of them are a quorum."
    genesis=$(json_get summary genesis <<<"$made")
    vkey=$(json_get summary vkey <<<"$made")
    say "For the demo the vault's root key lies in a file of the site; a real one has a passphrase or a"
    say "PKCS#11 token."
    why "who may decide is leaf 0 of the ledger; nobody can change it later without the quorum."
    receipt "genesis $genesis"
    fact genesis "$genesis"
else
    cannot "the site could not be made: $made $(cat "$work/init.log")"
fi
export STOPLOG_SITE=$site
