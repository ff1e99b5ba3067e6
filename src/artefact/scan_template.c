/* Chat templates as artefacts and inside of others: what the walk over their tokens says (jinja.h)
 * becomes findings. A template is text that a server runs for every conversation; it is never
 * rendered here. */
#include "artefact/format_parts.h"
#include "artefact/jinja.h"

typedef struct {
    sl_scan *scan;
    uint64_t offset;
} told;

static void tell(void *context, sl_jinja_issue issue, size_t offset, sl_view evidence)
{
    static const sl_rule rules[] = {
        [SL_JINJA_ESCAPE] = SL_RULE_TEMPLATE_ESCAPE,
        [SL_JINJA_DISGUISE] = SL_RULE_TEMPLATE_DISGUISE,
        [SL_JINJA_ENDLESS] = SL_RULE_TEMPLATE_ENDLESS,
        [SL_JINJA_UNKNOWN] = SL_RULE_TEMPLATE_UNKNOWN,
        [SL_JINJA_TRIGGER] = SL_RULE_TEMPLATE_TRIGGER,
        [SL_JINJA_COVERT] = SL_RULE_TEMPLATE_COVERT,
        [SL_JINJA_SPEECH] = SL_RULE_TEMPLATE_SPEECH,
        [SL_JINJA_LINK] = SL_RULE_TEMPLATE_LINK,
        [SL_JINJA_HIDDEN] = SL_RULE_TEMPLATE_HIDDEN,
        [SL_JINJA_BROKEN] = SL_RULE_TEMPLATE_BROKEN,
    };
    const told *t = context;
    sl_scan_report(t->scan, rules[issue], t->offset + offset, evidence);
}

sl_res sl_scan_template_text(sl_scan *scan, sl_view text, uint64_t offset)
{
    told t = { scan, offset };
    SL_TRY(sl_scan_spend(scan, SL_SPEND_NODES, text.n / 4));
    return sl_jinja_check(text, tell, &t);
}

/* By its name or because it opens as only templates do: other text has braces too. */
sl_identity sl_identify_template(const sl_probe *probe)
{
    sl_view head = sl_view_trim(probe->head);
    bool named = sl_view_ends(probe->name, SL_LIT(".jinja")) ||
                 sl_view_ends(probe->name, SL_LIT(".jinja2")) ||
                 sl_view_ends(probe->name, SL_LIT(".j2"));
    bool opens = sl_view_starts(head, SL_LIT("{%")) || sl_view_starts(head, SL_LIT("{{")) ||
                 sl_view_starts(head, SL_LIT("{#"));
    bool text = head.n > 0 && sl_view_find_byte(head, 0, 0) == SIZE_MAX;
    if (!text) {
        return SL_IDENTIFY_NO;
    }
    return named ? SL_IDENTIFY_YES : opens ? SL_IDENTIFY_MAYBE : SL_IDENTIFY_NO;
}

sl_res sl_scan_template(sl_scan *scan, sl_source *source)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { 0 };
    SL_TRY(sl_scan_load(source, SL_JINJA_BYTES_MAX, &text));
    return sl_scan_template_text(scan, sl_buf_view(&text), 0);
}
