/* Files that name a project's dependencies, of six ecosystems' tools, read into one list. Pure.
 *
 * | file | tool |
 * |---|---|
 * | requirements*.txt, requirements*.in, constraints*.txt | pip |
 * | poetry.lock, uv.lock, pdm.lock | Poetry, uv, PDM (TOML) |
 * | Pipfile.lock | Pipenv |
 * | package-lock.json, npm-shrinkwrap.json | npm, lockfileVersion 2 and 3 (and 1) |
 * | environment.yml, environment.yaml; explicit lists ("@EXPLICIT") | conda |
 * | renv.lock | R |
 * | *.cdx.json, bom.json | CycloneDX bills of materials |
 */
#ifndef SL_SUPPLY_LOCKFILE_H
#define SL_SUPPLY_LOCKFILE_H

#include "supply/package.h"

#define SL_LOCKFILE_BYTES_MAX ((size_t)64 << 20)

typedef enum {
    SL_LOCKFILE_NONE, /* not a file this module knows */
    SL_LOCKFILE_REQUIREMENTS,
    SL_LOCKFILE_TOML,
    SL_LOCKFILE_PIPFILE,
    SL_LOCKFILE_NPM,
    SL_LOCKFILE_CONDA,
    SL_LOCKFILE_RENV,
    SL_LOCKFILE_CYCLONEDX,
} sl_lockfile_kind;

/* By the file's name without its directory, and for conda's explicit lists by the first lines. */
sl_lockfile_kind sl_lockfile_detect(sl_view name, sl_view content);

/* Told of what is not a package but matters: an option that opens another index, a file included. */
typedef enum {
    SL_LOCKFILE_INCLUDES,    /* `text` names another file that is not read from here */
    SL_LOCKFILE_OTHER_INDEX, /* `text` is the address */
    SL_LOCKFILE_UNREAD,      /* a line that could not be understood */
} sl_lockfile_note;
typedef void (*sl_lockfile_report)(void *context, sl_lockfile_note note, sl_view text, size_t line);

/* Adds the packages of a file. Errors: those of the form, with line or offset; what was read before the
 * mistake stays in `packages`, so that a caller counts the file as incomplete. */
SL_MUST sl_res sl_lockfile_read(sl_lockfile_kind kind, sl_view content, sl_packages *packages,
                                sl_lockfile_report report, void *context);

#endif
