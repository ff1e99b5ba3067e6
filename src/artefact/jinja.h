/* Chat templates (Jinja2) read as data: a lexer of the template language and a walk over its tokens
 * that allows the few names, filters, tests and statements that chat templates need and names
 * everything else. Nothing is rendered. What a template may do to a server that renders it, and the
 * bypasses this answers: docs of the language, CVE-2024-34359, CVE-2026-5760. */
#ifndef SL_ARTEFACT_JINJA_H
#define SL_ARTEFACT_JINJA_H

#include "base/arena.h"

/* Chat templates are a few kilobytes; the largest seen have tens. */
#define SL_JINJA_BYTES_MAX ((size_t)1 << 20)

typedef enum {
    SL_JINJA_TEXT,   /* outside the blocks; raw */
    SL_JINJA_NAME,   /* also the keywords */
    SL_JINJA_STRING, /* raw: between the quotes; decoded: its value */
    SL_JINJA_NUMBER,
    SL_JINJA_OP,   /* op: one or two characters, the second in the high byte */
    SL_JINJA_OPEN, /* op: '{' for an expression, '%' for a statement */
    SL_JINJA_CLOSE,
} sl_jinja_kind;

typedef struct {
    sl_jinja_kind kind;
    bool
        escaped; /* a string that spells a character by an escape which hides it: \x5f, \u005f, \137 */
    uint16_t op;
    size_t offset;
    sl_view raw;
    sl_view text; /* a string's value; for the rest as raw */
} sl_jinja_token;

typedef struct {
    const sl_jinja_token *items;
    size_t count;
} sl_jinja_tokens;

/* Cuts a template into tokens that live in the arena. SL_E_SYNTAX or SL_E_TRUNCATED with the offset if
 * the reference lexer would refuse it too, SL_E_LIMIT if it is larger than the limit or the arena. */
SL_MUST sl_res sl_jinja_lex(sl_view text, sl_arena *arena, sl_jinja_tokens *ret_tokens);

/* What is wrong with a template. */
typedef enum {
    SL_JINJA_ESCAPE,   /* reaches out of the template: code would run, files would be read */
    SL_JINJA_DISGUISE, /* builds or hides a name that it does not spell */
    SL_JINJA_ENDLESS,  /* a loop or a string without a sensible bound */
    SL_JINJA_UNKNOWN,  /* a construct that chat templates have no need of */
    SL_JINJA_TRIGGER,  /* behaves otherwise on certain words of the conversation, or on a date */
    SL_JINJA_COVERT,   /* slips in instructions that conceal or deceive */
    SL_JINJA_SPEECH,   /* slips in other long instructions */
    SL_JINJA_LINK,     /* an address in the template */
    SL_JINJA_HIDDEN,   /* characters that no reader sees */
    SL_JINJA_BROKEN,   /* no template: cannot be read to its end */
} sl_jinja_issue;

/* `evidence` is a part of the template and may hold any byte. */
typedef void sl_jinja_report(void *context, sl_jinja_issue issue, size_t offset, sl_view evidence);

/* Reports all that is wrong; a template that reports nothing keeps to the allow-list.
 * Fails only for want of memory. */
SL_MUST sl_res sl_jinja_check(sl_view text, sl_jinja_report *report, void *context);

#endif
