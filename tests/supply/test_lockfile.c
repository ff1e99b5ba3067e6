/* Files of dependencies: each form gives the packages it names, with what is wrong about them. */
#include "test.h"

#include "supply/lockfile.h"

typedef struct {
    const char *name;
    const char *version;
    uint32_t flags;
    sl_ecosystem ecosystem;
} expected;

static char notes[1024];

static void note(void *context, sl_lockfile_note kind, sl_view text, size_t line)
{
    (void)context;
    static const char *const WORDS[] = { "includes", "index", "unread" };
    size_t n = strlen(notes);
    (void)snprintf(notes + n, sizeof notes - n, "%s:%.*s:%zu|", WORDS[kind], SL_FMT(text), line);
}

static void check_file(const char *file, const char *content, const expected *wanted)
{
    SL_OWN(sl_packages, found, sl_packages_free) = { 0 };
    sl_lockfile_kind kind = sl_lockfile_detect(sl_view_str(file), sl_view_str(content));
    notes[0] = 0;
    assert_int_not_equal(kind, SL_LOCKFILE_NONE);
    assert_done(sl_lockfile_read(kind, sl_view_str(content), &found, note, NULL));
    size_t n = 0;
    for (; wanted[n].name != NULL; n++) {
        assert_true(n < found.n);
        assert_view(found.items[n].name, wanted[n].name);
        assert_view(found.items[n].version, wanted[n].version);
        assert_int_equal(found.items[n].flags, wanted[n].flags);
        assert_int_equal(found.items[n].ecosystem, wanted[n].ecosystem);
    }
    assert_int_equal(found.n, n);
}

#define UNPINNED SL_PACKAGE_UNPINNED
#define NO_HASH SL_PACKAGE_NO_HASH

static void requirements(void **state)
{
    (void)state;
    static const expected WANTED[] = {
        { "typing-extensions", "4.8.0", 0, SL_ECOSYSTEM_PYPI },
        { "numpy", "1.26.0", NO_HASH, SL_ECOSYSTEM_PYPI },
        { "torch", "", UNPINNED | NO_HASH, SL_ECOSYSTEM_PYPI },
        { "flask", "", UNPINNED | NO_HASH, SL_ECOSYSTEM_PYPI },
        { "requests", "2.31.0", NO_HASH, SL_ECOSYSTEM_PYPI },
        { "pkg", "", SL_PACKAGE_DIRECT_URL | NO_HASH, SL_ECOSYSTEM_PYPI },
        { "wild", "", UNPINNED | NO_HASH, SL_ECOSYSTEM_PYPI },
        { 0 },
    };
    check_file("requirements-dev.txt",
               "--extra-index-url https://internal.example/simple\n"
               "-r base.txt\n"
               "Typing_Extensions==4.8.0 \\\n    --hash=sha256:aaaa \\\n    --hash=sha256:bbbb\n"
               "numpy == 1.26.0 ; python_version >= '3.9'  # why\r\n"
               "torch>=2.0,<3\n\nflask\n"
               "requests[socks,security]==2.31.0\n"
               "pkg @ git+https://example.org/x.git#egg=y\n"
               "wild==1.*\n"
               "git+https://example.org/z.git\n",
               WANTED);
    assert_string_equal(notes, "index:https://internal.example/simple:1|includes:base.txt:2|"
                               "unread:git+https://example.org/z.git:13|");
}

static void poetry_uv_and_pdm(void **state)
{
    (void)state;
    static const expected WANTED[] = {
        { "keras", "2.13.1", 0, SL_ECOSYSTEM_PYPI },
        { "mine", "0.1.0", SL_PACKAGE_LOCAL, SL_ECOSYSTEM_PYPI },
        { "own", "1.0", SL_PACKAGE_OTHER_INDEX | NO_HASH, SL_ECOSYSTEM_PYPI },
        { "git-one", "2.0", SL_PACKAGE_DIRECT_URL | NO_HASH, SL_ECOSYSTEM_PYPI },
        { 0 },
    };
    check_file(
        "uv.lock",
        "version = 1\nrequires-python = \">=3.9\"\n\n[[package]]\nname = \"Keras\"\n"
        "version = \"2.13.1\"\ndescription = \"\"\"a text with\n[[package]]\nname = 'not one'\n\"\"\"\n"
        "source = { registry = \"https://pypi.org/simple\" }\n"
        "wheels = [ # a comment ]\n    { url = \"https://x/]\", hash = \"sha256:aa\" },\n]\n"
        "[package.metadata]\nrequires-dist = []\n"
        "[[package]]\nname = \"mine\"\nversion = \"0.1.0\"\nsource = { editable = \".\" }\n"
        "[[package]]\nname = \"own\"\nversion = \"1.0\"\n"
        "source = { registry = \"https://internal.example/simple\" }\n"
        "[[package]]\nname = \"git-one\"\nversion = \"2.0\"\n[package.source]\ntype = \"git\"\n"
        "[metadata]\nname = \"nothing\"\n",
        WANTED);
}

static void pipenv(void **state)
{
    (void)state;
    static const expected WANTED[] = {
        { "a-b", "1.0", 0, SL_ECOSYSTEM_PYPI },
        { "c", "", UNPINNED | NO_HASH, SL_ECOSYSTEM_PYPI },
        { "d", "", SL_PACKAGE_DIRECT_URL | NO_HASH, SL_ECOSYSTEM_PYPI },
        { 0 },
    };
    check_file(
        "Pipfile.lock",
        "{\"_meta\":{\"sources\":[{\"url\":\"https://internal.example/simple\"}]},"
        "\"default\":{\"A.b\":{\"version\":\"==1.0\",\"hashes\":[\"sha256:aa\"]},"
        "\"c\":{\"version\":\"*\"}},\"develop\":{\"d\":{\"git\":\"https://example.org/d\"}}}",
        WANTED);
    assert_string_equal(notes, "index:https://internal.example/simple:0|");
}

static void npm(void **state)
{
    (void)state;
    static const expected WANTED[] = {
        { "@scope/x", "1.2.3", 0, SL_ECOSYSTEM_NPM },
        { "y", "2.0.0", SL_PACKAGE_OTHER_INDEX | NO_HASH, SL_ECOSYSTEM_NPM },
        { "true-name", "3.0.0", 0, SL_ECOSYSTEM_NPM },
        { 0 },
    };
    check_file("package-lock.json",
               "{\"lockfileVersion\":3,\"packages\":{\"\":{\"name\":\"mine\",\"version\":\"0\"},"
               "\"node_modules/@scope/x\":{\"version\":\"1.2.3\",\"integrity\":\"sha512-a\","
               "\"resolved\":\"https://registry.npmjs.org/@scope/x/-/x-1.2.3.tgz\"},"
               "\"node_modules/a/node_modules/y\":{\"version\":\"2.0.0\","
               "\"resolved\":\"https://internal.example/y.tgz\"},"
               "\"node_modules/alias\":{\"name\":\"true-name\",\"version\":\"3.0.0\","
               "\"integrity\":\"sha512-b\"},"
               "\"node_modules/local\":{\"resolved\":\"packages/local\",\"link\":true},"
               "\"packages/local\":{\"version\":\"1.0.0\"}}}",
               WANTED);
}

static void conda(void **state)
{
    (void)state;
    static const expected WANTED[] = {
        { "python", "3.11.4", NO_HASH, SL_ECOSYSTEM_CONDA },
        { "numpy", "1.26", UNPINNED | NO_HASH, SL_ECOSYSTEM_CONDA },
        { "scipy", "", UNPINNED | NO_HASH, SL_ECOSYSTEM_CONDA },
        { "pip", "", UNPINNED | NO_HASH, SL_ECOSYSTEM_CONDA },
        { "torch", "2.1.0", NO_HASH, SL_ECOSYSTEM_PYPI },
        { 0 },
    };
    static const expected EXPLICIT[] = {
        { "numpy-base", "1.26.0", 0, SL_ECOSYSTEM_CONDA },
        { "zlib", "1.2.13", NO_HASH, SL_ECOSYSTEM_CONDA },
        { 0 },
    };
    check_file("environment.yml",
               "name: x\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.11.4=h955ad1f_0\n"
               "  - conda-forge::numpy=1.26\n  - scipy\n  - pip\n  - pip:\n      - torch==2.1.0\n"
               "variables:\n  - not-one\n",
               WANTED);
    check_file("spec.txt",
               "# platform: linux-64\n@EXPLICIT\n"
               "https://repo.example/linux-64/numpy-base-1.26.0-py311_0.conda#0123abcd\n"
               "https://repo.example/linux-64/zlib-1.2.13-h5eee18b_0.conda\n",
               EXPLICIT);
}

static void renv_and_cyclonedx(void **state)
{
    (void)state;
    static const expected RENV[] = {
        { "R6", "2.5.1", 0, SL_ECOSYSTEM_CRAN },
        { "limma", "3.58.0", NO_HASH, SL_ECOSYSTEM_BIOCONDUCTOR },
        { "mine", "0.1", SL_PACKAGE_DIRECT_URL | NO_HASH, SL_ECOSYSTEM_CRAN },
        { 0 },
    };
    static const expected BOM[] = {
        { "keras", "2.13.1", 0, SL_ECOSYSTEM_PYPI },
        { "@scope/x", "1.0.0", 0, SL_ECOSYSTEM_NPM },
        { "openssl", "3.0.11-1", 0, SL_ECOSYSTEM_DEBIAN },
        { "loose", "", UNPINNED, SL_ECOSYSTEM_PYPI },
        { 0 },
    };
    check_file(
        "renv.lock",
        "{\"Packages\":{\"R6\":{\"Version\":\"2.5.1\",\"Source\":\"Repository\",\"Hash\":\"a\"},"
        "\"limma\":{\"Version\":\"3.58.0\",\"Source\":\"Bioconductor\"},"
        "\"mine\":{\"Version\":\"0.1\",\"Source\":\"GitHub\"}}}",
        RENV);
    check_file("model.cdx.json",
               "{\"bomFormat\":\"CycloneDX\",\"components\":[{\"purl\":\"pkg:pypi/Keras@2.13.1\","
               "\"components\":[{\"purl\":\"pkg:npm/%40scope/x@1.0.0\"}]},"
               "{\"purl\":\"pkg:deb/debian/openssl@3.0.11-1?arch=amd64\"},"
               "{\"purl\":\"pkg:pypi/loose\"},{\"purl\":\"pkg:golang/x@1\"}]}",
               BOM);
    assert_non_null(strstr(notes, "unread:pkg:golang/x@1"));
}

static void damaged_files_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *content;
        int32_t code;
    } CASES[] = {
        { "uv.lock", "[[package]]\nname = \"a\nversion = \"1\"\n", SL_E_SYNTAX },
        { "uv.lock", "[[package]]\nname = \"a\"\nfiles = [\n", SL_E_TRUNCATED },
        { "uv.lock", "[[package]]\nversion = \"1\"\n", SL_E_MISSING_FIELD },
        { "uv.lock", "[[package\n", SL_E_SYNTAX },
        { "uv.lock", "[[package]]\nname\n", SL_E_SYNTAX },
        { "uv.lock", "[[package]]\nname = \"a\" \"b\"\n", SL_E_SYNTAX },
        { "package-lock.json", "{}", SL_E_VERSION },
        { "package-lock.json", "[]", SL_E_TYPE },
        { "package-lock.json", "{\"packages\":{\"node_modules/a\":{}},\"packages\":{}}",
          SL_E_DUPLICATE },
        { "renv.lock", "{}", SL_E_MISSING_FIELD },
        { "bom.json", "{}", SL_E_VERSION },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        SL_OWN(sl_packages, found, sl_packages_free) = { 0 };
        sl_view content = sl_view_str(CASES[i].content);
        sl_lockfile_kind kind = sl_lockfile_detect(sl_view_str(CASES[i].file), content);
        assert_code(sl_lockfile_read(kind, content, &found, NULL, NULL), CASES[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requirements),
        cmocka_unit_test(poetry_uv_and_pdm),
        cmocka_unit_test(pipenv),
        cmocka_unit_test(npm),
        cmocka_unit_test(conda),
        cmocka_unit_test(renv_and_cyclonedx),
        cmocka_unit_test(damaged_files_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
