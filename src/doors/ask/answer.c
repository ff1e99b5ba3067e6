/* Channels of an answer. What it is for is told in answer.h. It must never release text that its
 * frontier still holds, and after a cut it takes and gives nothing. */
#include "doors/ask/answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/utf8.h"
#include "doors/ask/look.h"
#include "doors/ask/row.h"

enum { ARGUMENTS_BYTES_MAX = 1 << 20, EVENT_ARENA_BYTES_MAX = 8 << 20, TOOL_NAME_MAX = 128 };

struct sl_answer_channel {
    sl_channel kind;
    uint32_t choice;
    uint32_t part;
    bool ended;
    sl_stream *stream;    /* running text; NULL for arguments */
    sl_buf held;          /* arguments, or the bytes of a character not yet whole */
    sl_answer_total past; /* of streams that served this channel and are gone */
    sl_verdict verdict;
    size_t name_n;
    char name[TOOL_NAME_MAX]; /* of the tool, for arguments */
};

const char *sl_cut_reason_name(sl_cut_reason reason)
{
    static const char *const names[] = { "none",  "finding", "undeclared_tool",
                                         "valve", "limit",   "control_character",
                                         "flow" };
    return reason < SL_COUNT_OF(names) ? names[reason] : "none";
}

void sl_answer_init(sl_answer *a, const sl_answer_options *options)
{
    *a = (sl_answer){ .options = *options, .event = { .max = EVENT_ARENA_BYTES_MAX } };
    assert(options->request->choices >= 1 && options->request->choices <= SL_ASK_CHOICES_MAX);
}

static void free_channel(sl_answer_channel *ch)
{
    sl_stream_free(ch->stream);
    sl_buf_free(&ch->held);
    free(ch);
}

void sl_answer_free(sl_answer *a)
{
    for (size_t i = 0; i < a->channels_n; i++) {
        free_channel(a->channels[i]);
    }
    for (size_t i = 0; i < SL_ASK_CHOICES_MAX; i++) {
        sl_logprobs_free(&a->logprobs[i]);
    }
    if (a->wire_free != NULL) {
        a->wire_free(a->wire);
    }
    sl_row_free(a->row);
    free(a->notes);
    sl_arena_free(&a->event);
    *a = (sl_answer){ 0 };
}

static sl_answer_channel *find(const sl_answer *a, sl_channel kind, uint32_t choice, uint32_t part)
{
    for (size_t i = 0; i < a->channels_n; i++) {
        sl_answer_channel *ch = a->channels[i];
        if (ch->kind == kind && ch->choice == choice && ch->part == part) {
            return ch;
        }
    }
    return NULL;
}

/* Arguments are judged as what they are, by judge_flow(). */
static sl_res open_stream(const sl_answer *a, sl_channel kind, bool restore, sl_stream **ret_stream)
{
    sl_stream_options options = {
        .detect = a->options.detect,
        .scratch = a->options.scratch,
        .policy = a->options.policy,
        .context = { SL_DOOR_ASK, kind, a->options.purpose },
        .pseudonyms = a->options.pseudonyms,
        .restore = restore,
        .bytes_max = a->options.text_bytes_max,
        .flow = kind == SL_CHANNEL_TOOL_ARGUMENTS ? NULL : a->options.flow,
    };
    return sl_stream_new(&options, ret_stream);
}

sl_stream *sl_answer_newest(const sl_answer *a, sl_channel kind)
{
    for (size_t i = a->channels_n; i != 0; i--) {
        if (a->channels[i - 1]->kind == kind) {
            return a->channels[i - 1]->stream;
        }
    }
    return NULL;
}

sl_res sl_answer_note_finding(sl_answer *a, const sl_answer_note *note)
{
    if (note->text < a->texts_n[note->kind]) {
        return sl_stream_note(sl_answer_newest(a, note->kind), note->finding);
    }
    if (a->notes_n == a->notes_cap) {
        size_t cap = a->notes_cap == 0 ? 8 : 2 * a->notes_cap;
        sl_answer_note *more = reallocarray(a->notes, cap, sizeof *more);
        SL_NEED(more != NULL, SL_E_MEMORY);
        a->notes = more;
        a->notes_cap = cap;
    }
    a->notes[a->notes_n++] = *note;
    return SL_DONE;
}

/* A running text begins: what is known of it already goes to its stream. */
static sl_res begin_text(sl_answer *a, sl_answer_channel *ch)
{
    SL_TRY(open_stream(a, ch->kind, true, &ch->stream));
    uint32_t number = a->texts_n[ch->kind]++;
    for (size_t i = 0; i < a->notes_n; i++) {
        if (a->notes[i].kind == ch->kind && a->notes[i].text == number) {
            SL_TRY(sl_stream_note(ch->stream, a->notes[i].finding));
        }
    }
    return SL_DONE;
}

static sl_res find_or_add(sl_answer *a, sl_channel kind, uint32_t choice, uint32_t part,
                          sl_answer_channel **ret_channel)
{
    sl_answer_channel *ch = find(a, kind, choice, part);
    if (ch == NULL) {
        SL_NEED(a->channels_n < SL_ASK_CHANNELS_MAX, SL_E_LIMIT);
        ch = calloc(1, sizeof *ch);
        SL_NEED(ch != NULL, SL_E_MEMORY);
        *ch = (sl_answer_channel){ .kind = kind, .choice = choice, .part = part };
        ch->held.max = ARGUMENTS_BYTES_MAX;
        sl_res r = kind == SL_CHANNEL_TOOL_ARGUMENTS ? SL_DONE : begin_text(a, ch);
        if (!sl_ok(r)) {
            free_channel(ch);
            return r;
        }
        a->channels[a->channels_n++] = ch;
    }
    *ret_channel = ch;
    return SL_DONE;
}

static void add_report(sl_answer_total *total, const sl_stream_report *report)
{
    total->bytes_seen += report->bytes_seen;
    total->bytes_released += report->bytes_released;
    total->bytes_too_late += report->bytes_too_late;
    total->transforms += report->transforms;
    total->restored += report->restored;
    for (size_t i = 0; i < SL_CLASS_COUNT; i++) {
        total->by_class[i] += report->by_class[i];
    }
}

static void note_cut(sl_answer *a, const sl_answer_channel *ch, const sl_stream_report *report)
{
    if (a->cut_reason == SL_CUT_NONE) {
        bool flow = report->cause.detector == SL_DETECTOR_FLOW;
        a->cut_reason = flow ? SL_CUT_FLOW : SL_CUT_FINDING;
        a->cut_rule = flow ? sl_flow_rule_of(a->options.flow, report->cause.rule) : NULL;
        a->cut_cause = report->cause;
        a->cut_channel = ch->kind;
        a->cut_offset = report->cut_offset;
    }
    a->choices[ch->choice].cut = true;
    a->choices[ch->choice].ended = true;
}

/* Hand on whole characters; the bytes of a character still to come wait in `held`. */
static sl_res hand_on(sl_answer_channel *ch, sl_view more, bool last, sl_buf *released)
{
    SL_TRY(sl_buf_add(&ch->held, more));
    size_t open = last ? 0 : sl_utf8_open_tail(sl_buf_view(&ch->held));
    size_t n = ch->held.n - open;
    SL_TRY(sl_buf_add(released, sl_view_of(ch->held.p, n)));
    sl_buf_drop_front(&ch->held, n);
    return SL_DONE;
}

static sl_res after_stream(sl_answer *a, sl_answer_channel *ch, sl_view freed, sl_buf *released)
{
    const sl_stream_report *report = sl_stream_report_get(ch->stream);
    bool cut = report->verdict == SL_VERDICT_CUT;
    ch->verdict = report->verdict;
    SL_TRY(hand_on(ch, freed, cut || ch->ended, released));
    if (cut) {
        note_cut(a, ch, report);
    }
    return SL_DONE;
}

static sl_res check_choice(const sl_answer *a, uint32_t choice)
{
    return choice < a->options.request->choices ? SL_DONE : sl_fail_at(SL_E_RANGE, "index", choice);
}

sl_res sl_answer_feed(sl_answer *a, sl_channel kind, uint32_t choice, uint32_t part, sl_view piece,
                      sl_buf *released)
{
    sl_answer_channel *ch = NULL;
    SL_TRY(check_choice(a, choice));
    if (piece.n == 0 || a->choices[choice].ended) {
        return SL_DONE;
    }
    SL_TRY(find_or_add(a, kind, choice, part, &ch));
    if (ch->ended) {
        return SL_DONE;
    }
    a->choices[choice].started = true;
    if (ch->stream == NULL) {
        if (ch->held.n + piece.n > ARGUMENTS_BYTES_MAX) {
            sl_answer_cut(a, choice, SL_CUT_LIMIT);
            return SL_DONE;
        }
        return sl_buf_add(&ch->held, piece);
    }
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = SIZE_MAX / 2 };
    size_t control = sl_utf8_control(piece);
    SL_TRY(sl_stream_feed(ch->stream, sl_view_sub(piece, 0, control), &freed));
    SL_TRY(after_stream(a, ch, sl_buf_view(&freed), released));
    if (control != piece.n) {
        sl_answer_cut(a, choice, SL_CUT_CONTROL);
    }
    return SL_DONE;
}

/* One string inside a tool call's arguments: a text of its own with a frontier that ends with it. */
static sl_res whole_text(sl_answer *a, sl_answer_channel *ch, bool restore, sl_view text,
                         sl_buf *out)
{
    sl_stream *stream = NULL;
    if (sl_utf8_control(text) != text.n) {
        sl_answer_cut(a, ch->choice, SL_CUT_CONTROL);
        return SL_DONE;
    }
    SL_TRY(open_stream(a, ch->kind, restore, &stream));
    sl_res r = sl_stream_feed(stream, text, out);
    if (sl_ok(r)) {
        r = sl_stream_finish(stream, out);
    }
    const sl_stream_report *report = sl_stream_report_get(stream);
    add_report(&ch->past, report);
    if (report->verdict > ch->verdict) {
        ch->verdict = report->verdict;
    }
    if (report->verdict == SL_VERDICT_CUT) {
        note_cut(a, ch, report);
    }
    sl_stream_free(stream);
    return r;
}

static bool may_restore(const sl_answer *a, const sl_answer_channel *ch)
{
    for (size_t i = 0; i < a->options.restore_tools_n; i++) {
        if (sl_view_eq(a->options.restore_tools[i], sl_view_of(ch->name, ch->name_n))) {
            return true;
        }
    }
    return false;
}

/* A key or a number of the arguments, which cannot be rewritten: if anything is to be done about it, the
 * call is cut. */
static sl_res fixed_text(sl_answer *a, sl_answer_channel *ch, sl_view text)
{
    SL_OWN(sl_findings, found, sl_findings_free) = { 0 };
    sl_policy_context context = { SL_DOOR_ASK, ch->kind, a->options.purpose };
    if (sl_utf8_control(text) != text.n) {
        sl_answer_cut(a, ch->choice, SL_CUT_CONTROL);
        return SL_DONE;
    }
    SL_TRY(sl_detect_inspect(a->options.detect, a->options.scratch, text, ch->kind, &found));
    sl_ask_look_drop_guesses(&found);
    sl_verdict verdict = sl_policy_judge(a->options.policy, &context, &found, 0);
    ch->past.bytes_seen += text.n;
    ch->past.bytes_released += verdict == SL_VERDICT_ALLOW ? text.n : 0;
    for (size_t i = 0; i < found.n; i++) {
        ch->past.by_class[found.items[i].kind]++;
        if (found.items[i].verdict > SL_VERDICT_ALLOW && a->cut_reason == SL_CUT_NONE) {
            a->cut_cause = found.items[i];
            a->cut_channel = ch->kind;
        }
    }
    if (verdict > SL_VERDICT_ALLOW) {
        sl_answer_cut(a, ch->choice, SL_CUT_FINDING);
    }
    return SL_DONE;
}

/* Write one node of the arguments. */
static sl_res put_argument(sl_answer *a, sl_answer_channel *ch, bool restore,
                           const sl_json_node *node, sl_json_writer *w)
{
    bool text = node->kind == SL_JSON_STRING || node->kind == SL_JSON_KEY;
    sl_view before = node->raw;
    if (text) {
        SL_TRY(sl_json_text(node, &a->event, &before));
    }
    if (node->kind == SL_JSON_STRING) {
        SL_OWN(sl_buf, after, sl_buf_free) = { .max = ARGUMENTS_BYTES_MAX };
        SL_TRY(whole_text(a, ch, restore, before, &after));
        sl_json_string(w, sl_buf_view(&after));
        return SL_DONE;
    }
    SL_TRY(fixed_text(a, ch, before));
    if (node->kind == SL_JSON_KEY) {
        sl_json_key_view(w, before);
    } else {
        sl_json_raw(w, before);
    }
    return SL_DONE;
}

static void close_containers(const sl_json_doc *doc, const uint32_t *open, size_t *depth,
                             uint32_t at, sl_json_writer *w)
{
    while (*depth != 0 && doc->nodes[open[*depth - 1]].end == at) {
        *depth -= 1;
        if (doc->nodes[open[*depth]].kind == SL_JSON_OBJECT) {
            sl_json_object_end(w);
        } else {
            sl_json_array_end(w);
        }
    }
}

static sl_res put_node(sl_answer *a, sl_answer_channel *ch, bool restore, const sl_json_node *node,
                       sl_json_writer *w)
{
    switch ((sl_json_kind)node->kind) {
    case SL_JSON_OBJECT:
        sl_json_object_begin(w);
        return SL_DONE;
    case SL_JSON_ARRAY:
        sl_json_array_begin(w);
        return SL_DONE;
    case SL_JSON_TRUE:
    case SL_JSON_FALSE:
        sl_json_true_false(w, node->kind == SL_JSON_TRUE);
        return SL_DONE;
    case SL_JSON_NULL:
        sl_json_null(w);
        return SL_DONE;
    case SL_JSON_KEY:
    case SL_JSON_STRING:
    case SL_JSON_NUMBER:
        return put_argument(a, ch, restore, node, w);
    case SL_JSON_OBJECT_END:
    case SL_JSON_ARRAY_END:
    case SL_JSON_END:
        break;
    }
    return sl_fail(SL_E_BUG);
}

/* The arguments as JSON, node by node in the order of the text, written anew. */
static sl_res put_arguments(sl_answer *a, sl_answer_channel *ch, const sl_json_doc *doc,
                            sl_buf *released)
{
    sl_json_writer w;
    uint32_t open[SL_JSON_DEPTH_MAX + 1];
    size_t depth = 0;
    bool restore = may_restore(a, ch);
    sl_json_writer_init(&w, released);
    for (uint32_t i = 0; i < doc->count && !a->choices[ch->choice].cut; i++) {
        const sl_json_node *node = &doc->nodes[i];
        SL_TRY(put_node(a, ch, restore, node, &w));
        if (node->kind == SL_JSON_OBJECT || node->kind == SL_JSON_ARRAY) {
            SL_NEED(depth < SL_COUNT_OF(open), SL_E_DEPTH);
            open[depth++] = i;
        }
        close_containers(doc, open, &depth, i + 1, &w);
    }
    return a->choices[ch->choice].cut ? SL_DONE : sl_json_finish(&w);
}

/* Does the call need leave, because its address, number, words or very name come from untrusted text? */
static sl_res judge_flow(sl_answer *a, sl_answer_channel *ch, const sl_json_doc *doc)
{
    sl_flow_findings found = { 0 };
    if (a->options.flow == NULL) {
        return SL_DONE;
    }
    SL_TRY(sl_flow_call(a->options.flow, sl_view_of(ch->name, ch->name_n), doc, &found));
    ch->past.by_class[SL_CLASS_TAINTED] += (uint32_t)found.n;
    for (size_t i = 0; i < found.n && found.verdict >= SL_VERDICT_HOLD; i++) {
        const sl_flow_finding *f = &found.items[i];
        if (f->verdict == found.verdict && a->cut_rule == NULL) {
            a->cut_rule = sl_flow_rule_of(a->options.flow, f->rule);
        }
    }
    if (found.verdict >= SL_VERDICT_HOLD) {
        sl_answer_cut(a, ch->choice, SL_CUT_FLOW);
    }
    return SL_DONE;
}

/* The value of four hexadecimal digits at `at`, or UINT32_MAX. */
static uint32_t hex4(sl_view text, size_t at)
{
    uint32_t value = 0;
    for (size_t i = at; i < at + 4; i++) {
        int digit = i < text.n ? sl_hex_digit(text.p[i]) : -1;
        if (digit < 0) {
            return UINT32_MAX;
        }
        value = value << 4 | (uint32_t)digit;
    }
    return value;
}

/* The character that an escape at `at` stands for, and its length there. */
static uint32_t escaped(sl_view text, size_t at, size_t *ret_n)
{
    uint8_t c = at + 1 < text.n ? text.p[at + 1] : ' ';
    uint32_t code = c == 'u' ? hex4(text, at + 2) : UINT32_MAX;
    *ret_n = code != UINT32_MAX ? 6 : c < 0x80 ? 2 : 1;
    if (c >= 0x80) {
        return ' ';
    }
    if (code == UINT32_MAX) {
        return memchr("nrtbf", c, 5) != NULL ? ' ' : c;
    }
    if (code >= 0xD800 && code < 0xDC00 && at + 7 < text.n && text.p[at + 6] == '\\') {
        uint32_t low = hex4(text, at + 8);
        if (low >= 0xDC00 && low < 0xE000) {
            *ret_n = 12;
            return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    return code >= 0xD800 && code < 0xE000 ? 0xFFFD : code;
}

/* Arguments that are no JSON for us may be some to a reader who takes it less strictly: they are judged as one
 * text with its escapes read. */
static sl_res judge_flow_of_text(sl_answer *a, sl_answer_channel *ch)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = ARGUMENTS_BYTES_MAX };
    SL_OWN(sl_buf, json, sl_buf_free) = { .max = 8 * (size_t)ARGUMENTS_BYTES_MAX };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    sl_view held = sl_buf_view(&ch->held);
    sl_json_writer w;
    for (size_t at = 0, n = 1; at < held.n; at += n) {
        uint8_t bytes[4] = { held.p[at] };
        size_t written = 1;
        n = 1;
        if (held.p[at] == '\\') {
            written = sl_utf8_encode(escaped(held, at, &n), bytes);
        }
        SL_TRY(sl_buf_add(&text, sl_view_of(bytes, written)));
    }
    sl_json_writer_init(&w, &json);
    sl_json_string(&w, sl_buf_view(&text));
    SL_TRY(sl_json_finish(&w));
    SL_TRY(sl_json_parse(sl_buf_view(&json), &doc));
    return judge_flow(a, ch, &doc);
}

/* A call was complete. After a cut nothing of it leaves. */
static sl_res end_arguments(sl_answer *a, sl_answer_channel *ch, sl_buf *released)
{
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    SL_OWN(sl_buf, out, sl_buf_free) = { .max = 2 * (size_t)ARGUMENTS_BYTES_MAX };
    if (ch->held.n == 0) {
        return judge_flow(a, ch, NULL);
    }
    if (sl_ok(sl_json_parse(sl_buf_view(&ch->held), &doc))) {
        SL_TRY(judge_flow(a, ch, &doc));
        SL_TRY(put_arguments(a, ch, &doc, &out));
    } else {
        /* An answer that stopped at its length ends in half a document: then it is text. */
        SL_TRY(judge_flow_of_text(a, ch));
        SL_TRY(whole_text(a, ch, false, sl_buf_view(&ch->held), &out));
    }
    sl_buf_free(&ch->held);
    return a->choices[ch->choice].cut ? SL_DONE : sl_buf_add(released, sl_buf_view(&out));
}

sl_res sl_answer_end(sl_answer *a, sl_channel kind, uint32_t choice, uint32_t part,
                     sl_buf *released)
{
    sl_answer_channel *ch = find(a, kind, choice, part);
    if (ch == NULL || ch->ended || a->choices[choice].ended) {
        return SL_DONE;
    }
    ch->ended = true;
    if (ch->stream == NULL) {
        return end_arguments(a, ch, released);
    }
    SL_OWN(sl_buf, freed, sl_buf_free) = { .max = SIZE_MAX / 2 };
    SL_TRY(sl_stream_finish(ch->stream, &freed));
    return after_stream(a, ch, sl_buf_view(&freed), released);
}

uint64_t sl_answer_plain(const sl_answer *a, sl_channel kind, uint32_t choice, uint32_t part)
{
    const sl_answer_channel *ch = find(a, kind, choice, part);
    if (ch == NULL || ch->stream == NULL) {
        return 0;
    }
    const sl_stream_report *report = sl_stream_report_get(ch->stream);
    return report->bytes_released < report->rewritten_at ? report->bytes_released
                                                         : report->rewritten_at;
}

static bool declared(const sl_answer *a, sl_view name)
{
    const sl_ask_facts *request = a->options.request;
    for (size_t i = 0; i < request->tools_n; i++) {
        if (sl_view_eq(request->tools[i], name)) {
            return true;
        }
    }
    return false;
}

sl_res sl_answer_tool(sl_answer *a, uint32_t choice, uint32_t part, sl_view name)
{
    sl_answer_channel *ch = NULL;
    SL_TRY(check_choice(a, choice));
    SL_TRY(find_or_add(a, SL_CHANNEL_TOOL_ARGUMENTS, choice, part, &ch));
    if (a->choices[choice].ended) {
        return SL_DONE;
    }
    if (name.n == 0 || name.n > TOOL_NAME_MAX || ch->name_n != 0 || !declared(a, name)) {
        sl_answer_cut(a, choice, SL_CUT_TOOL);
        return SL_DONE;
    }
    memcpy(ch->name, name.p, name.n);
    ch->name_n = name.n;
    a->choices[choice].started = true;
    a->choices[choice].tools_n++;
    return SL_DONE;
}

sl_view sl_answer_tool_name(const sl_answer *a, uint32_t choice, uint32_t part)
{
    const sl_answer_channel *ch = find(a, SL_CHANNEL_TOOL_ARGUMENTS, choice, part);
    return ch == NULL ? sl_view_of("", 0) : sl_view_of(ch->name, ch->name_n);
}

void sl_answer_cut(sl_answer *a, uint32_t choice, sl_cut_reason reason)
{
    assert(choice < SL_ASK_CHOICES_MAX && reason != SL_CUT_NONE);
    if (a->choices[choice].ended) {
        return;
    }
    if (a->cut_reason == SL_CUT_NONE) {
        a->cut_reason = reason;
        a->cut_offset = UINT64_MAX;
    }
    a->choices[choice].cut = true;
    a->choices[choice].ended = true;
}

void sl_answer_cut_all(sl_answer *a, sl_cut_reason reason)
{
    for (uint32_t i = 0; i < a->options.request->choices; i++) {
        sl_answer_cut(a, i, reason);
    }
}

bool sl_answer_over(const sl_answer *a)
{
    for (uint32_t i = 0; i < a->options.request->choices; i++) {
        if (!a->choices[i].ended) {
            return false;
        }
    }
    return true;
}

sl_verdict sl_answer_verdict(const sl_answer *a)
{
    sl_verdict strongest = a->cut_reason == SL_CUT_NONE ? SL_VERDICT_ALLOW : SL_VERDICT_CUT;
    for (size_t i = 0; i < a->channels_n; i++) {
        if (a->channels[i]->verdict > strongest) {
            strongest = a->channels[i]->verdict;
        }
    }
    return strongest;
}

void sl_answer_sum(const sl_answer *a, sl_answer_total *ret_total)
{
    sl_answer_total total = { 0 };
    for (size_t i = 0; i < a->channels_n; i++) {
        const sl_answer_channel *ch = a->channels[i];
        if (ch->stream != NULL) {
            add_report(&total, sl_stream_report_get(ch->stream));
            continue;
        }
        total.bytes_seen += ch->past.bytes_seen;
        total.bytes_released += ch->past.bytes_released;
        total.bytes_too_late += ch->past.bytes_too_late;
        total.transforms += ch->past.transforms;
        total.restored += ch->past.restored;
        for (size_t k = 0; k < SL_CLASS_COUNT; k++) {
            total.by_class[k] += ch->past.by_class[k];
        }
    }
    *ret_total = total;
}
