/* Confirming an echo hit (detect/echo_confirm.h) inside a site: what is asked, what is answered, and the
 * comparison itself. The ask door names a place of a compartment's index and shows its own text; the keeper
 * records the question, opens the one version's key and hands both to the process `confirm`, which reads that
 * one record, compares, and says yes or no and how much of it: never a byte of the record.
 * Design: ARCHITECTURE section 3 (workers), src/vault/README.md. */
#ifndef SL_VAULT_CONFIRM_H
#define SL_VAULT_CONFIRM_H

#include "base/ipc.h"
#include "detect/echo.h"
#include "vault/object.h"
#include "vault/roll.h"

/* How an index of records names a version of an object: "OBJECT/VERSION/UID". */
SL_MUST sl_res sl_echo_source_name(const sl_object_ref *ref, sl_buf *out);
/* Everything but the compartment, which the caller knows. SL_E_SYNTAX. */
SL_MUST sl_res sl_echo_source_read(sl_view name, sl_object_ref *ret);

enum {
    SL_CONFIRM_SOURCE_BYTES_MAX = 160,
    SL_CONFIRM_TEXT_BYTES_MAX = 8192,
    /* compartment[64] offset u64 length u64 source bytes u16, source, text */
    SL_CONFIRM_REQUEST_BYTES_MIN = 64 + 8 + 8 + 2 + 1,
    SL_CONFIRM_REQUEST_BYTES_MAX =
        SL_CONFIRM_REQUEST_BYTES_MIN + SL_CONFIRM_SOURCE_BYTES_MAX + SL_CONFIRM_TEXT_BYTES_MAX,
    /* confirmed u32 bits u32 bits needed u32 words the same u32 words changed u32 permille u32 */
    SL_CONFIRM_ANSWER_BYTES = 24,
    /* From keeper to `confirm`: the compartment's echo key, the version's data key, the request. */
    SL_CONFIRM_KEYS_BYTES = 2 * 32,
    SL_CONFIRM_COMPARE = SL_IPC_TYPE_FIRST_FREE,
};

struct sl_echo_verdict;

typedef struct {
    sl_name compartment;
    uint64_t offset; /* of the record in the object, bytes */
    uint64_t length;
    sl_view source; /* borrowed, as is the text */
    sl_view text;
} sl_confirm_request;

typedef struct sl_confirm_answer {
    bool confirmed;
    uint32_t bits;
    uint32_t bits_needed;
    uint32_t words_same;
    uint32_t words_changed;
    uint32_t permille; /* of the record that the text renders */
} sl_confirm_answer;

/* Errors of decode: SL_E_SYNTAX. SL_E_LIMIT: longer than the limits above. */
SL_MUST sl_res sl_confirm_request_encode(const sl_confirm_request *request, sl_buf *out);
SL_MUST sl_res sl_confirm_request_decode(sl_view body, sl_confirm_request *ret);
SL_MUST sl_res sl_confirm_answer_encode(const sl_confirm_answer *answer, sl_buf *out);
SL_MUST sl_res sl_confirm_answer_decode(sl_view body, sl_confirm_answer *ret);

/* Bytes around a record that are read with it: parts of a text run on into one another. */
#define SL_CONFIRM_MARGIN_BYTES ((size_t)512)
/* The text of one record as it was indexed, from a piece of its file: the leaves of a JSON object, else the
 * bytes as they stand. */
SL_MUST sl_res sl_confirm_record_text(sl_view raw, sl_buf *out);
/* Compares a record of `length` bytes that stands behind the first `lead` bytes of `raw`, which holds what is around
 * it. What is around it alone confirms nothing: that is another record. Errors as sl_echo_confirm. */
SL_MUST sl_res sl_confirm_record(const sl_echo_index *index, uint32_t segment, sl_view raw,
                                 size_t lead, size_t length, sl_view text,
                                 struct sl_echo_verdict *ret);
/* Reads the record with this key and compares. `vault_fd`: the site's vault folder. Errors: those of the
 * object store, SL_E_NOT_FOUND (the index does not hold the source), SL_E_LIMIT (a record too large to be
 * compared), SL_E_UNSUPPORTED (its bytes do not read as they were indexed, so nothing can be refuted). */
SL_MUST sl_res sl_confirm_compare(int vault_fd, const sl_echo_index *index,
                                  const sl_confirm_request *request, const uint8_t key[32],
                                  sl_confirm_answer *ret_answer);

/* How often one compartment may be asked about: a bucket that fills again. */
#define SL_CONFIRM_BURST 64U
#define SL_CONFIRM_EACH_SECOND 8U

typedef struct {
    uint64_t filled_ms; /* on the boot clock, as of which `left` stands */
    uint32_t left;
    bool begun;
} sl_confirm_budget;

/* Takes one; false: none is left. Pure. */
bool sl_confirm_budget_take(sl_confirm_budget *budget, uint64_t now_ms);

#endif
