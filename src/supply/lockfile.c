/* Which reader a file takes (lockfile.h). */
#include "supply/lockfile_impl.h"

static bool named(sl_view name, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (sl_view_eq_str(name, names[i])) {
            return true;
        }
    }
    return false;
}

sl_lockfile_kind sl_lockfile_detect(sl_view name, sl_view content)
{
    static const char *const TOML[] = { "poetry.lock", "uv.lock", "pdm.lock", NULL };
    static const char *const NPM[] = { "package-lock.json", "npm-shrinkwrap.json", NULL };
    static const char *const CONDA[] = { "environment.yml", "environment.yaml", "conda.yml",
                                         "conda.yaml", NULL };
    bool list = sl_view_ends(name, SL_LIT(".txt")) || sl_view_ends(name, SL_LIT(".in"));
    if (list && sl_view_find(sl_view_sub(content, 0, 4096), SL_LIT("@EXPLICIT"), 0) != SIZE_MAX) {
        return SL_LOCKFILE_CONDA;
    }
    if (list && (sl_view_find(name, SL_LIT("requirements"), 0) != SIZE_MAX ||
                 sl_view_starts(name, SL_LIT("constraints")))) {
        return SL_LOCKFILE_REQUIREMENTS;
    }
    if (named(name, TOML)) {
        return SL_LOCKFILE_TOML;
    }
    if (named(name, NPM)) {
        return SL_LOCKFILE_NPM;
    }
    if (named(name, CONDA)) {
        return SL_LOCKFILE_CONDA;
    }
    if (sl_view_eq_str(name, "Pipfile.lock")) {
        return SL_LOCKFILE_PIPFILE;
    }
    if (sl_view_eq_str(name, "renv.lock")) {
        return SL_LOCKFILE_RENV;
    }
    bool bom = sl_view_ends(name, SL_LIT(".cdx.json")) || sl_view_eq_str(name, "bom.json");
    return bom ? SL_LOCKFILE_CYCLONEDX : SL_LOCKFILE_NONE;
}

sl_res sl_lockfile_read(sl_lockfile_kind kind, sl_view content, sl_packages *packages,
                        sl_lockfile_report report, void *context)
{
    sl_lockfile_sink sink = { packages, report, context };
    if (content.n > SL_LOCKFILE_BYTES_MAX) {
        return sl_fail_at(SL_E_LIMIT, "bytes of a file of dependencies", SL_LOCKFILE_BYTES_MAX);
    }
    switch (kind) {
    case SL_LOCKFILE_REQUIREMENTS:
        return sl_lockfile_requirements(content, &sink);
    case SL_LOCKFILE_TOML:
        return sl_lockfile_toml(content, &sink);
    case SL_LOCKFILE_PIPFILE:
        return sl_lockfile_pipfile(content, &sink);
    case SL_LOCKFILE_NPM:
        return sl_lockfile_npm(content, &sink);
    case SL_LOCKFILE_CONDA:
        return sl_lockfile_conda(content, &sink);
    case SL_LOCKFILE_RENV:
        return sl_lockfile_renv(content, &sink);
    case SL_LOCKFILE_CYCLONEDX:
        return sl_lockfile_cyclonedx(content, &sink);
    case SL_LOCKFILE_NONE:
        break;
    }
    return sl_fail_at(SL_E_UNSUPPORTED, "file of dependencies", SL_NOWHERE);
}
