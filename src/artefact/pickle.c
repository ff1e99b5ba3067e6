/* Pickle files: one stream or several, torch's legacy format, and what stands between and behind them.
 * The machine is pickle_vm.c; this file decides where streams begin. */
#include <stdio.h>

#include "artefact/pickle_tail.h"
#include "artefact/scan_impl.h"

#define STREAMS_MAX 100000U
#define GAP_CANDIDATES_MAX 256U
#define LEGACY_STREAMS 5U

/* ---- identification ---- */

#define TRIAL_STREAMS_MAX 16U

/* Runs a copy of the machine that reports nothing. Convincing is what reaches STOP at the end or calls
 * something by name, in the first stream or in one behind it: words at the start of a text do neither.
 * `opened`: a loader will take it for a pickle; then a name suffices, since naming imports, and that the
 * stream breaks right behind it comes too late. */
static bool convincing(const sl_allow *allow, sl_source *source, bool whole, bool opened,
                       uint64_t ops_min)
{
    SL_OWN(sl_pickle, vm, sl_pickle_free) = { 0 };
    if (!sl_ok(sl_pickle_start(&vm, NULL, allow, &sl_scan_budget_default, source))) {
        return false;
    }
    sl_res r = sl_pickle_run(&vm, 0);
    bool limit = sl_is(r, SL_E_LIMIT);
    bool ended = vm.stopped && (!whole || vm.reader.at == vm.reader.end || vm.effects);
    bool good = limit || (ended && vm.ops >= ops_min) || (opened && vm.effects);
    for (unsigned n = 1;
         !good && !vm.called && n < TRIAL_STREAMS_MAX && vm.stopped && vm.reader.at < vm.reader.end;
         n++) {
        good = sl_is(sl_pickle_run(&vm, vm.reader.at), SL_E_LIMIT);
    }
    return vm.called || good;
}

/* A name that only pickles have. */
static bool named_pickle(sl_view name)
{
    static const char *const ends[] = { ".pkl", ".pickle", ".joblib", ".dill", ".pk", ".p" };
    for (size_t i = 0; i < SL_COUNT_OF(ends); i++) {
        if (sl_view_ends(name, sl_view_str(ends[i]))) {
            return true;
        }
    }
    return false;
}

/* A name that torch and its like open, pickle or not. */
static bool named_weights(sl_view name)
{
    static const char *const ends[] = { ".pt", ".pth", ".bin", ".ckpt", ".th", ".pt2", ".mar" };
    for (size_t i = 0; i < SL_COUNT_OF(ends); i++) {
        if (sl_view_ends(name, sl_view_str(ends[i]))) {
            return true;
        }
    }
    return named_pickle(name);
}

/* A persistent id in front, if it is one: a line of text. Other formats begin with a 'P' too. */
static bool begins_as_text(sl_view head)
{
    for (size_t i = 1; head.p[0] == 'P' && i < head.n && head.p[i] != '\n'; i++) {
        if (head.p[i] < 0x20 || head.p[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static sl_identity identify(const sl_allow *allow, const sl_probe *probe)
{
    const uint8_t *p = probe->head.p;
    if (probe->head.n >= 2 && p[0] == 0x80 && p[1] < 0x20) { /* above 5: nobody's, but no text */
        return SL_IDENTIFY_YES;
    }
    if (probe->head.n < 2 || sl_pickle_op_name(p[0]) == NULL || !begins_as_text(probe->head)) {
        return SL_IDENTIFY_NO;
    }
    uint64_t ops_min = named_pickle(probe->name) ? 2 : 3;
    bool opened = named_weights(probe->name);
    return convincing(allow, probe->source, true, opened, ops_min) ? SL_IDENTIFY_YES
                                                                   : SL_IDENTIFY_NO;
}

sl_identity sl_identify_pickle(const sl_probe *probe)
{
    return identify(NULL, probe);
}

bool sl_pickle_on_trial(const sl_allow *allow, sl_source *source)
{
    return convincing(allow, source, false, false, 3);
}

/* ---- streams ---- */

/* Places in a gap where a loader that seeks would find a stream. */
static sl_res search_gap(sl_pickle *vm, uint64_t from)
{
    unsigned queued = 0;
    uint64_t at = from;
    while (at + 1 < sl_source_size(vm->source) && queued < GAP_CANDIDATES_MAX) {
        sl_view v = { 0 };
        uint64_t hits[32];
        size_t count = 0;
        SL_TRY(sl_source_some(vm->source, at, &v));
        for (size_t i = 0; i + 1 < v.n && count < SL_COUNT_OF(hits); i++) {
            if (v.p[i] == 0x80 && v.p[i + 1] >= 1 && v.p[i + 1] <= 5) {
                hits[count++] = at + i;
            }
        }
        at = count == SL_COUNT_OF(hits) ? hits[count - 1] + 1 : at + (v.n > 1 ? v.n - 1 : 1);
        for (size_t i = 0; i < count; i++, queued++) {
            SL_OWN(sl_source *, part, sl_source_free) = NULL;
            char name[32];
            (void)snprintf(name, sizeof name, "gap@%llu", (unsigned long long)hits[i]);
            SL_TRY(
                sl_source_part(vm->source, hits[i], sl_source_size(vm->source) - hits[i], &part));
            SL_TRY(sl_scan_member_on_trial(vm->scan, sl_view_str(name), part));
        }
    }
    return SL_DONE;
}

/* Behind a stream that is not torch's: another stream, or bytes that nobody reads. */
static sl_res behind(sl_pickle *vm, uint64_t at, bool *ret_again)
{
    sl_view v = { 0 };
    SL_TRY(sl_source_at(vm->source, at, 2, &v));
    bool stream = v.n == 2 && v.p[0] == 0x80 && v.p[1] <= 5;
    if (!stream && v.n != 0 && sl_pickle_op_name(v.p[0]) != NULL) {
        SL_OWN(sl_source *, rest, sl_source_free) = NULL;
        SL_TRY(sl_source_part(vm->source, at, sl_source_size(vm->source) - at, &rest));
        stream = convincing(vm->allow, rest, false, false, 3);
    }
    vm->op.at = at;
    *ret_again = stream;
    if (stream) {
        sl_pickle_tell_str(vm, SL_RULE_PICKLE_STACKED, "another stream behind STOP");
        return SL_DONE;
    }
    sl_pickle_tell_str(vm, SL_RULE_PICKLE_TRAILING, "bytes behind STOP");
    return search_gap(vm, at);
}

static sl_res run_stream(sl_pickle *vm, uint64_t at, bool *ret_ended)
{
    sl_res r = sl_pickle_run(vm, at);
    *ret_ended = sl_ok(r);
    if (sl_is(r, SL_E_SYNTAX) || sl_is(r, SL_E_TRUNCATED)) {
        sl_scan_partial(vm->scan); /* told already, by the machine */
        return SL_DONE;
    }
    return r;
}

static sl_res run_streams(sl_pickle *vm)
{
    uint64_t at = 0;
    bool legacy = false;
    bool again = true;
    for (unsigned n = 1; again; n++) {
        bool ended = false;
        vm->keep_strings = legacy && n == LEGACY_STREAMS;
        SL_TRY(run_stream(vm, at, &ended));
        if (!ended) {
            return search_gap(vm, vm->reader.at + 1);
        }
        legacy = legacy || (n == 1 && vm->magic);
        at = vm->reader.at;
        if (legacy && n == LEGACY_STREAMS) {
            return sl_pickle_storages_follow(vm, at);
        }
        if (legacy) {
            continue;
        }
        if (at == sl_source_size(vm->source)) {
            return SL_DONE;
        }
        if (n == STREAMS_MAX) {
            return sl_fail_at(SL_E_LIMIT, "pickle streams", at);
        }
        SL_TRY(behind(vm, at, &again));
    }
    return SL_DONE;
}

sl_res sl_scan_pickle(sl_scan *scan, sl_source *source)
{
    SL_OWN(sl_pickle, vm, sl_pickle_free) = { 0 };
    SL_TRY(sl_pickle_start(&vm, scan, scan->allow, scan->budget, source));
    SL_TRY(run_streams(&vm));
    return sl_scan_spend(scan, SL_SPEND_OPCODES, vm.ops & 4095);
}
