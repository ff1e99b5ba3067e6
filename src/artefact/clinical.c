/* HL7 v2 and C-CDA in place (clinical.h): what is no content becomes blank, nothing moves. */
#include "artefact/clinical.h"

#include "base/limits.h"

const char *sl_clinical_name(sl_clinical kind)
{
    static const char *const NAMES[] = { "none", "hl7", "xml" };
    return NAMES[kind];
}

static bool is_space(uint8_t b)
{
    return b == ' ' || b == '\t' || b == '\n' || b == '\r';
}

sl_clinical sl_clinical_detect(sl_view head)
{
    size_t at = sl_view_starts(head, SL_LIT("\xEF\xBB\xBF")) ? 3 : 0;
    while (at < head.n && (is_space(head.p[at]) || head.p[at] == 0x0B)) {
        at++;
    }
    sl_view rest = sl_view_sub(head, at, head.n);
    bool hl7 = rest.n > 8 && sl_view_starts(rest, SL_LIT("MSH")) && rest.p[3] > 0x20 &&
               rest.p[3] < 0x7F && rest.p[8] == rest.p[3];
    if (hl7) {
        return SL_CLINICAL_HL7;
    }
    bool xml =
        sl_view_starts(rest, SL_LIT("<?xml")) || sl_view_starts(rest, SL_LIT("<ClinicalDocument"));
    return xml ? SL_CLINICAL_XML : SL_CLINICAL_NONE;
}

static sl_res tell(sl_clinical_sink sink, sl_view bytes, sl_class kind, size_t start, size_t end)
{
    while (start < end && is_space(bytes.p[start])) {
        start++;
    }
    while (end > start && is_space(bytes.p[end - 1])) {
        end--;
    }
    return start < end ? sink.field(sink.ctx, kind, start, end) : SL_DONE;
}

/* ---- HL7 v2 -------------------------------------------------------------------------------- */

typedef struct {
    const char *segment;
    size_t field;
    sl_class kind;
} hl7_field;

static const hl7_field HL7_FIELDS[] = {
    { "PID", 2, SL_CLASS_OTHER_ID },  { "PID", 3, SL_CLASS_MRN },
    { "PID", 4, SL_CLASS_OTHER_ID },  { "PID", 5, SL_CLASS_NAME },
    { "PID", 6, SL_CLASS_NAME },      { "PID", 7, SL_CLASS_DATE },
    { "PID", 9, SL_CLASS_NAME },      { "PID", 11, SL_CLASS_LOCATION },
    { "PID", 13, SL_CLASS_PHONE },    { "PID", 14, SL_CLASS_PHONE },
    { "PID", 18, SL_CLASS_ACCOUNT },  { "PID", 19, SL_CLASS_SSN },
    { "PID", 20, SL_CLASS_LICENCE },  { "PID", 21, SL_CLASS_OTHER_ID },
    { "PID", 23, SL_CLASS_LOCATION }, { "PID", 29, SL_CLASS_DATE },
    { "NK1", 2, SL_CLASS_NAME },      { "NK1", 4, SL_CLASS_LOCATION },
    { "NK1", 5, SL_CLASS_PHONE },     { "NK1", 6, SL_CLASS_PHONE },
    { "PV1", 7, SL_CLASS_NAME },      { "PV1", 8, SL_CLASS_NAME },
    { "PV1", 9, SL_CLASS_NAME },      { "PV1", 17, SL_CLASS_NAME },
    { "PV1", 19, SL_CLASS_ACCOUNT },  { "PV1", 44, SL_CLASS_DATE },
    { "PV1", 45, SL_CLASS_DATE },     { "GT1", 3, SL_CLASS_NAME },
    { "GT1", 5, SL_CLASS_LOCATION },  { "GT1", 6, SL_CLASS_PHONE },
    { "GT1", 8, SL_CLASS_DATE },      { "GT1", 12, SL_CLASS_SSN },
    { "IN1", 16, SL_CLASS_NAME },     { "IN1", 18, SL_CLASS_DATE },
    { "IN1", 19, SL_CLASS_LOCATION }, { "IN1", 36, SL_CLASS_HEALTH_PLAN },
    { "OBR", 7, SL_CLASS_DATE },      { "OBR", 16, SL_CLASS_NAME },
    { "OBX", 14, SL_CLASS_DATE },     { "ORC", 12, SL_CLASS_NAME },
};

static bool hl7_kind(sl_view segment, size_t field, sl_class *ret)
{
    for (size_t i = 0; i < SL_COUNT_OF(HL7_FIELDS); i++) {
        if (HL7_FIELDS[i].field == field && sl_view_eq_str(segment, HL7_FIELDS[i].segment)) {
            *ret = HL7_FIELDS[i].kind;
            return true;
        }
    }
    return false;
}

/* The delimiters that MSH declares. */
typedef struct {
    uint8_t field;
    uint8_t parts[4]; /* component, repetition, escape, subcomponent */
} hl7_signs;

static bool is_part_sign(const hl7_signs *signs, uint8_t b)
{
    return b == signs->parts[0] || b == signs->parts[1] || b == signs->parts[3];
}

static sl_res put_field(sl_view bytes, size_t start, size_t end, const hl7_signs *signs,
                        sl_view segment, size_t field, sl_clinical_sink sink, sl_buf *out)
{
    sl_class kind;
    bool content = false;
    for (size_t i = start; i < end; i++) {
        bool sign = is_part_sign(signs, bytes.p[i]);
        content = content || (!sign && bytes.p[i] != '"');
        SL_TRY(sl_buf_add_byte(out, sign ? ' ' : bytes.p[i]));
    }
    return content && hl7_kind(segment, field, &kind) ? tell(sink, bytes, kind, start, end)
                                                      : SL_DONE;
}

static sl_res read_segment(sl_view bytes, size_t start, size_t end, const hl7_signs *signs,
                           sl_clinical_sink sink, sl_buf *out)
{
    size_t id = end - start < 3 ? end - start : 3;
    sl_view segment = sl_view_sub(bytes, start, start + id);
    bool header = sl_view_eq_str(segment, "MSH");
    for (size_t i = 0; i < id; i++) {
        SL_TRY(sl_buf_add_byte(out, ' '));
    }
    size_t field = header ? 1 : 0; /* MSH-1 is the delimiter itself */
    for (size_t at = start + id; at < end;) {
        size_t stop = at;
        while (stop < end && bytes.p[stop] != signs->field) {
            stop++;
        }
        /* MSH-2 declares the signs, MSH-3 to 6 name programs and sites. */
        bool signs_field = header && field >= 1 && field <= 6;
        if (signs_field) {
            for (size_t i = at; i < stop; i++) {
                SL_TRY(sl_buf_add_byte(out, ' '));
            }
        } else {
            SL_TRY(put_field(bytes, at, stop, signs, segment, field, sink, out));
        }
        if (stop < end) {
            SL_TRY(sl_buf_add_byte(out, '\n'));
            field++;
            stop++;
        }
        at = stop;
    }
    return SL_DONE;
}

static sl_res read_hl7(sl_view bytes, sl_clinical_sink sink, sl_buf *out)
{
    size_t msh = sl_view_find(bytes, SL_LIT("MSH"), 0);
    hl7_signs signs = { .field = '|', .parts = { '^', '~', '\\', '&' } };
    if (msh != SIZE_MAX && bytes.n - msh > 8) {
        signs.field = bytes.p[msh + 3];
        memcpy(signs.parts, bytes.p + msh + 4, sizeof signs.parts);
    }
    for (size_t at = 0; at < bytes.n;) {
        size_t end = at;
        while (end < bytes.n && bytes.p[end] != '\r' && bytes.p[end] != '\n') {
            end++;
        }
        SL_TRY(read_segment(bytes, at, end, &signs, sink, out));
        for (at = end; at < bytes.n && (bytes.p[at] == '\r' || bytes.p[at] == '\n'); at++) {
            SL_TRY(sl_buf_add_byte(out, bytes.p[at]));
        }
    }
    return SL_DONE;
}

/* ---- XML ----------------------------------------------------------------------------------- */

typedef struct {
    const char *element;
    const char *attribute; /* NULL: its text */
    sl_class kind;
} xml_field;

static const xml_field XML_FIELDS[] = {
    { "given", NULL, SL_CLASS_NAME },
    { "family", NULL, SL_CLASS_NAME },
    { "streetAddressLine", NULL, SL_CLASS_STREET },
    { "city", NULL, SL_CLASS_LOCATION },
    { "county", NULL, SL_CLASS_LOCATION },
    { "postalCode", NULL, SL_CLASS_ZIP },
    { "telecom", "value", SL_CLASS_PHONE },
    { "birthTime", "value", SL_CLASS_DATE },
    { "effectiveTime", "value", SL_CLASS_DATE },
    { "time", "value", SL_CLASS_DATE },
    { "low", "value", SL_CLASS_DATE },
    { "high", "value", SL_CLASS_DATE },
    { "id", "extension", SL_CLASS_OTHER_ID },
};

static sl_view local_name(sl_view name)
{
    size_t colon = sl_view_find(name, SL_LIT(":"), 0);
    return colon == SIZE_MAX ? name : sl_view_sub(name, colon + 1, name.n);
}

static const xml_field *xml_find(sl_view element, sl_view attribute)
{
    for (size_t i = 0; i < SL_COUNT_OF(XML_FIELDS); i++) {
        const xml_field *f = &XML_FIELDS[i];
        bool same =
            f->attribute == NULL ? attribute.n == 0 : sl_view_eq_str(attribute, f->attribute);
        if (same && sl_view_eq_str(local_name(element), f->element)) {
            return f;
        }
    }
    return NULL;
}

typedef struct {
    sl_view bytes;
    sl_clinical_sink sink;
    sl_buf *out;
    const xml_field *text; /* what the text after the last start tag is */
} xml;

static sl_res blank(xml *x, size_t start, size_t end, uint8_t first)
{
    for (size_t i = start; i < end; i++) {
        SL_TRY(sl_buf_add_byte(x->out, i == start ? first : ' '));
    }
    return SL_DONE;
}

static bool is_date_value(sl_view v)
{
    bool digits = v.n >= 6;
    for (size_t i = 0; i < v.n && i < 6; i++) {
        digits = digits && v.p[i] >= '0' && v.p[i] <= '9';
    }
    return digits;
}

/* A value of an attribute stays when it identifies; the rest of the tag is blank. */
static sl_res put_attribute(xml *x, sl_view element, sl_view name, size_t start, size_t end)
{
    const xml_field *f = xml_find(element, name);
    sl_view value = sl_view_sub(x->bytes, start, end);
    if (f == NULL || (f->kind == SL_CLASS_DATE && !is_date_value(value))) {
        return blank(x, start, end, ' ');
    }
    sl_class kind = f->kind;
    if (kind == SL_CLASS_PHONE && sl_view_find(value, SL_LIT("@"), 0) != SIZE_MAX) {
        kind = SL_CLASS_EMAIL;
    }
    SL_TRY(sl_buf_add(x->out, value));
    return tell(x->sink, x->bytes, kind, start, end);
}

static size_t name_end(sl_view bytes, size_t at, size_t end)
{
    while (at < end && !is_space(bytes.p[at]) && bytes.p[at] != '=' && bytes.p[at] != '>' &&
           bytes.p[at] != '/') {
        at++;
    }
    return at;
}

static sl_res put_tag(xml *x, size_t start, size_t end)
{
    size_t at = name_end(x->bytes, start + 1, end);
    sl_view element = sl_view_sub(x->bytes, start + 1, at);
    SL_TRY(blank(x, start, at, '\n'));
    while (at < end) {
        size_t begin = at;
        while (at < end && (is_space(x->bytes.p[at]) || x->bytes.p[at] == '/' ||
                            x->bytes.p[at] == '>' || x->bytes.p[at] == '=')) {
            at++;
        }
        size_t stop = name_end(x->bytes, at, end);
        sl_view name = sl_view_sub(x->bytes, at, stop);
        while (stop < end && (is_space(x->bytes.p[stop]) || x->bytes.p[stop] == '=')) {
            stop++;
        }
        uint8_t quote = stop < end ? x->bytes.p[stop] : 0;
        if (quote != '"' && quote != '\'') {
            stop = stop > at ? stop : (at < end ? at + 1 : end);
            SL_TRY(blank(x, begin, stop, ' '));
            at = stop;
            continue;
        }
        size_t close = stop + 1;
        while (close < end && x->bytes.p[close] != quote) {
            close++;
        }
        SL_TRY(blank(x, begin, stop + 1, ' '));
        SL_TRY(put_attribute(x, element, name, stop + 1, close));
        at = close < end ? close + 1 : end;
        SL_TRY(blank(x, close, at, ' '));
    }
    bool opens = element.n != 0 && element.p[0] != '/' && end - start > 2 &&
                 x->bytes.p[end - 1] == '>' && x->bytes.p[end - 2] != '/';
    x->text = opens ? xml_find(element, (sl_view){ 0 }) : NULL;
    return SL_DONE;
}

/* Where the tag at `at` ends: a '>' inside a quoted value does not end it. */
static size_t tag_end(sl_view bytes, size_t at)
{
    uint8_t quote = 0;
    for (; at < bytes.n; at++) {
        uint8_t b = bytes.p[at];
        if (quote == 0 && b == '>') {
            return at + 1;
        }
        if (quote == 0 && (b == '"' || b == '\'')) {
            quote = b;
        } else if (b == quote) {
            quote = 0;
        }
    }
    return bytes.n;
}

static sl_res put_text(xml *x, size_t start, size_t end)
{
    SL_TRY(sl_buf_add(x->out, sl_view_sub(x->bytes, start, end)));
    if (x->text == NULL) {
        return SL_DONE;
    }
    sl_class kind = x->text->kind;
    x->text = NULL;
    return tell(x->sink, x->bytes, kind, start, end);
}

static sl_res read_xml(sl_view bytes, sl_clinical_sink sink, sl_buf *out)
{
    xml x = { .bytes = bytes, .sink = sink, .out = out };
    for (size_t at = 0; at < bytes.n;) {
        size_t end = at;
        while (end < bytes.n && bytes.p[end] != '<') {
            end++;
        }
        SL_TRY(put_text(&x, at, end));
        at = end;
        if (at == bytes.n) {
            break;
        }
        /* Comments, sections and a DOCTYPE keep their content: only the sign itself is blank. */
        bool kept = at + 1 < bytes.n && bytes.p[at + 1] == '!';
        end = kept ? at + 2 : tag_end(bytes, at);
        SL_TRY(kept ? blank(&x, at, end, '\n') : put_tag(&x, at, end));
        at = end;
    }
    return SL_DONE;
}

sl_res sl_clinical_read(sl_clinical kind, sl_view bytes, sl_clinical_sink sink, sl_buf *out)
{
    SL_TRY(sl_buf_reserve(out, bytes.n));
    return kind == SL_CLINICAL_HL7 ? read_hl7(bytes, sink, out) : read_xml(bytes, sink, out);
}
