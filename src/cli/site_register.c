/* Reading the register from the ledger (site_register.h). */
#include "cli/site_register.h"

#include <fcntl.h>
#include <time.h>

#include "base/file.h"
#include "respond/admin.h"

enum { PUBLISHED_TRIES = 200, PUBLISHED_STEP_MS = 50 };

void sl_site_register_close(sl_site_register *site)
{
    sl_roll_free_at(&site->roll);
    sl_register_free(&site->vendors);
}

static sl_res each(void *context, uint64_t index, sl_view leaf)
{
    sl_site_register *site = context;
    sl_fold did = SL_FOLD_OTHER;
    SL_TRY(sl_roll_fold(site->roll, index, leaf, &did));
    if (did == SL_FOLD_APPLIED) {
        SL_TRY(sl_register_leaf(&site->vendors, index, leaf));
    }
    return site->also == NULL ? SL_DONE : site->also(site->context, index, leaf);
}

/* How many leaves the published checkpoint holds; 0 if it cannot be read. */
static uint64_t published(const char *path)
{
    SL_OWN(sl_buf, text, sl_buf_free) = { .max = 64 * SL_KIB };
    sl_view line;
    sl_view rest;
    uint64_t size = 0;
    if (!sl_ok(sl_file_read(AT_FDCWD, path, &text))) {
        return 0;
    }
    (void)sl_view_cut(sl_buf_view(&text), '\n', &line, &rest);
    (void)sl_view_cut(rest, '\n', &line, &rest);
    return sl_ok(sl_parse_u64(line, INT64_MAX, &size)) ? size : 0;
}

/* A running site publishes once a second; who has just signed something wants to read it. A site that is
 * not up has nothing to wait for. */
static sl_res wait_for_published(const sl_cli *cli)
{
    SL_OWN(sl_buf, path, sl_buf_free) = { .max = 8192 };
    SL_OWN(sl_buf, answer, sl_buf_free) = { .max = SL_IPC_BYTES_MAX };
    SL_OWN(sl_json_doc, doc, sl_json_doc_free) = { 0 };
    const struct timespec step = { .tv_nsec = PUBLISHED_STEP_MS * 1000000L };
    uint64_t next = 0;
    if (!sl_ok(sl_warden_ask(cli->site, SL_ADMIN_SITE, (sl_view){ 0 }, &answer)) ||
        !sl_ok(sl_json_parse(sl_buf_view(&answer), &doc)) ||
        !sl_ok(sl_json_u64(sl_json_get(&doc, sl_json_root(&doc), "next_leaf"), &next))) {
        return SL_DONE;
    }
    SL_TRY(sl_buf_addf(&path, "%s/ledger/checkpoint", cli->site));
    const char *file = sl_buf_cstr(&path);
    SL_NEED(file != NULL, SL_E_MEMORY);
    for (int i = 0; i < PUBLISHED_TRIES && published(file) < next; i++) {
        (void)nanosleep(&step, NULL);
    }
    return SL_DONE;
}

sl_res sl_site_register_open(const sl_cli *cli, sl_site_register *site)
{
    SL_TRY(wait_for_published(cli));
    SL_TRY(sl_roll_new(&site->roll));
    return sl_site_ledger_read(cli, each, site, NULL);
}
