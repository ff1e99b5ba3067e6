# Packages and the program.

step "Build Stoplog"
tools/deps build run check || cannot "packages are missing"
if [ ! -f build/build.ninja ]; then
    meson setup build >"$work/setup.log" 2>&1 || {
        tail -n 20 "$work/setup.log" >&2
        cannot "the build could not be set up"
    }
fi
tour_targets=(stoplog tools/ngram-model/ngram-model tools/trial-generator/trial-generator)
ninja -C build "${tour_targets[@]}" >"$work/build.log" 2>&1 || {
    tail -n 40 "$work/build.log" >&2
    cannot "the build failed"
}
stoplog=$top/build/stoplog
ngram=$top/build/tools/ngram-model/ngram-model
say "built $("$stoplog" version | head -n 1)"
