/* Plain text and Markdown: documents divided by form feeds, given in passages of a bounded size;
 * and opaque binaries, of which only the bytes are counted.
 * A passage ends where no identifier is likely to stand across: at an empty line, else at a line's
 * end, else at a blank, and only in an endless run of letters between two characters. */
#include "artefact/record_impl.h"

#include "base/utf8.h"

/* A passage ends at the first empty line behind this many bytes. */
#define PASSAGE_SOFT ((size_t)2048)
/* It ends at the last line end, or blank, within this many. */
#define PASSAGE_HARD ((size_t)65536)

typedef struct {
    size_t length; /* of the passage */
    size_t used;   /* with the form feed that ends a document */
    bool whole;
    bool document_ends;
} passage;

/* The cut for a passage that reached the hard limit without an empty line. */
static size_t cut_hard(sl_view text, sl_encoding encoding)
{
    static const uint8_t ends[] = { '\n', '\r', ' ', '\t' };
    for (size_t kind = 0; kind < SL_COUNT_OF(ends); kind++) {
        for (size_t at = PASSAGE_HARD; at > PASSAGE_HARD / 2; at--) {
            if (text.p[at - 1] == ends[kind]) {
                return at;
            }
        }
    }
    size_t at = PASSAGE_HARD;
    while (encoding == SL_ENCODING_UTF8 && at > PASSAGE_HARD - 4 && !sl_utf8_boundary(text, at)) {
        at--;
    }
    return at;
}

/* Is there an empty line that ends at `at`? */
static bool empty_line_ends(sl_view text, size_t at)
{
    size_t i = at;
    if (i == 0 || text.p[i - 1] != '\n') {
        return false;
    }
    i--;
    while (i > 0 && (text.p[i - 1] == '\r' || text.p[i - 1] == ' ' || text.p[i - 1] == '\t')) {
        i--;
    }
    return i > 0 && text.p[i - 1] == '\n';
}

static passage find_passage(sl_reader *reader, sl_view pending, bool last)
{
    for (size_t at = reader->scan; at < pending.n && at < PASSAGE_HARD; at++) {
        if (pending.p[at] == '\f') {
            return (passage){ .length = at, .used = at + 1, .whole = true, .document_ends = true };
        }
        if (at + 1 >= PASSAGE_SOFT && empty_line_ends(pending, at + 1)) {
            return (passage){ .length = at + 1, .used = at + 1, .whole = true };
        }
    }
    reader->scan = pending.n < PASSAGE_HARD ? pending.n : PASSAGE_HARD;
    if (pending.n > PASSAGE_HARD) {
        size_t cut = cut_hard(pending, reader->options.encoding);
        return (passage){ .length = cut, .used = cut, .whole = true };
    }
    return (passage){ .length = pending.n, .used = pending.n, .whole = last };
}

static bool all_blank(sl_view text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] > ' ') {
            return false;
        }
    }
    return true;
}

static sl_res give_passage(sl_reader *reader, sl_view text)
{
    sl_cell cell = { .raw = text, .offset = reader->offset, .encoding = reader->options.encoding };
    SL_TRY(sl_reader_begin(reader, text.n));
    SL_TRY(sl_reader_decode(reader, &cell));
    SL_TRY(sl_reader_add_cell(reader, &cell));
    reader->stats.records = reader->document + 1;
    return sl_reader_emit(reader, (sl_record){ .number = reader->document,
                                               .part = reader->passage++,
                                               .offset = reader->offset,
                                               .length = text.n });
}

sl_res sl_reader_step_text(sl_reader *reader, sl_view pending, bool last, size_t *ret_used)
{
    passage found = find_passage(reader, pending, last);
    if (!found.whole) {
        return SL_DONE;
    }
    sl_view text = sl_view_sub(pending, 0, found.length);
    if (!all_blank(text)) {
        SL_TRY(give_passage(reader, text));
    }
    if (found.document_ends && reader->passage != 0) {
        reader->document++;
        reader->passage = 0;
    }
    *ret_used = found.used;
    return SL_DONE;
}

sl_res sl_reader_step_binary(sl_reader *reader, sl_view pending, bool last, size_t *ret_used)
{
    (void)last;
    reader->stats.records = 1;
    *ret_used = pending.n;
    return SL_DONE;
}
