/* What the readers of src/supply/lockfile*.c share; nobody outside includes it. */
#ifndef SL_SUPPLY_LOCKFILE_IMPL_H
#define SL_SUPPLY_LOCKFILE_IMPL_H

#include "supply/lockfile.h"

typedef struct {
    sl_packages *packages;
    sl_lockfile_report report;
    void *context;
} sl_lockfile_sink;

SL_MUST sl_res sl_lockfile_requirements(sl_view content, const sl_lockfile_sink *sink);
SL_MUST sl_res sl_lockfile_toml(sl_view content, const sl_lockfile_sink *sink);
SL_MUST sl_res sl_lockfile_pipfile(sl_view content, const sl_lockfile_sink *sink);
SL_MUST sl_res sl_lockfile_npm(sl_view content, const sl_lockfile_sink *sink);
SL_MUST sl_res sl_lockfile_conda(sl_view content, const sl_lockfile_sink *sink);
SL_MUST sl_res sl_lockfile_renv(sl_view content, const sl_lockfile_sink *sink);
SL_MUST sl_res sl_lockfile_cyclonedx(sl_view content, const sl_lockfile_sink *sink);

/* One requirement of pip ("name[extra]==1.0 ; marker --hash=..."), also inside conda's files. */
SL_MUST sl_res sl_lockfile_requirement(sl_view text, size_t line, const sl_lockfile_sink *sink);

static inline void sl_lockfile_say(const sl_lockfile_sink *sink, sl_lockfile_note note,
                                   sl_view text, size_t line)
{
    if (sink->report != NULL) {
        sink->report(sink->context, note, text, line);
    }
}

#endif
