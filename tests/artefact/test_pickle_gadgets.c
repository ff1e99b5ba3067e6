/* Names that advisories and other scanners' suites have used to run, read, write or reach while a pickle is
 * loaded: each must be refused, in every form in which a stream can name and call it. The streams are put
 * together here byte by byte, with an inert argument; nothing is ever loaded. */
#include "artefact/format_case.h"

#include <stdlib.h>

/* "module name": what GHSA advisories of picklescan and fickling, Hide and Seek (arXiv 2508.19774) and
 * PickleBall (CCS 2025) list, and their neighbours. */
static const char *const gadgets[] = {
    "os system",
    "posix system",
    "nt system",
    "os popen",
    "os execv",
    "os posix_spawn",
    "os remove",
    "os rename",
    "os putenv",
    "posix fork",
    "subprocess Popen",
    "subprocess check_output",
    "subprocess getoutput",
    "subprocess run",
    "_posixsubprocess fork_exec",
    "commands getoutput",
    "popen2 popen3",
    "builtins eval",
    "builtins exec",
    "builtins compile",
    "builtins open",
    "builtins __import__",
    "builtins getattr",
    "builtins setattr",
    "builtins delattr",
    "builtins vars",
    "builtins globals",
    "builtins map",
    "builtins filter",
    "builtins type",
    "builtins super",
    "builtins memoryview",
    "builtins input",
    "builtins breakpoint",
    "builtins print",
    "builtins help",
    "__builtin__ eval",
    "__builtin__ execfile",
    "__builtin__ apply",
    "__builtin__ reload",
    "__builtin__ file",
    "_io FileIO",
    "_io open",
    "io open",
    "io FileIO",
    "_pyio open",
    "codecs open",
    "_codecs decode",
    "runpy run_path",
    "runpy run_module",
    "runpy _run_code",
    "pty spawn",
    "pdb run",
    "pdb runcall",
    "bdb Bdb.run",
    "bdb Bdb",
    "bdb Bdb.runeval",
    "code InteractiveInterpreter",
    "code interact",
    "codeop CommandCompiler",
    "timeit timeit",
    "timeit main",
    "trace Trace.run",
    "trace Trace.runctx",
    "profile run",
    "profile Profile.run",
    "cProfile run",
    "cProfile runctx",
    "cProfile Profile",
    "doctest debug_script",
    "doctest testmod",
    "doctest run_docstring_examples",
    "pydoc locate",
    "pydoc pipepager",
    "pydoc tempfilepager",
    "pydoc safeimport",
    "pydoc importfile",
    "pydoc render_doc",
    "importlib import_module",
    "importlib reload",
    "importlib.util spec_from_file_location",
    "importlib.machinery SourceFileLoader",
    "importlib._bootstrap_external SourceFileLoader",
    "_frozen_importlib_external SourcelessFileLoader",
    "_imp load_dynamic",
    "imp load_source",
    "zipimport zipimporter",
    "pkgutil resolve_name",
    "pkgutil get_data",
    "pkgutil ImpImporter",
    "marshal loads",
    "marshal load",
    "pickle loads",
    "_pickle loads",
    "cPickle loads",
    "pickle Unpickler",
    "pickle load",
    "shelve open",
    "dbm open",
    "types FunctionType",
    "types CodeType",
    "types MethodType",
    "types ModuleType",
    "functools reduce",
    "functools partialmethod",
    "functools cached_property",
    "functools singledispatch",
    "operator call",
    "_operator attrgetter",
    "itertools starmap",
    "itertools accumulate",
    "copyreg add_extension",
    "copyreg pickle",
    "idlelib.run Executive",
    "idlelib.run Executive.runcode",
    "idlelib.pyshell ModifiedInterpreter.runcode",
    "idlelib.autocomplete AutoComplete.get_entity",
    "idlelib.autocomplete AutoComplete.fetch_completions",
    "idlelib.calltip Calltip.fetch_tip",
    "idlelib.calltip get_entity",
    "idlelib.debugobj ObjectTreeItem.SetText",
    "lib2to3.pgen2.grammar Grammar.loads",
    "lib2to3.pgen2.pgen ParserGenerator.make_label",
    "lib2to3.refactor RefactoringTool",
    "ensurepip _run_pip",
    "ensurepip bootstrap",
    "venv EnvBuilder",
    "venv main",
    "distutils.file_util write_file",
    "distutils.spawn spawn",
    "distutils.core run_setup",
    "asyncio.unix_events _UnixSubprocessTransport._start",
    "asyncio.subprocess create_subprocess_shell",
    "asyncio run",
    "multiprocessing.util spawnv_passfds",
    "multiprocessing.reduction DupFd",
    "multiprocessing.managers BaseManager",
    "multiprocessing.popen_fork Popen",
    "concurrent.futures ProcessPoolExecutor",
    "_osx_support _read_output",
    "_osx_support _find_build_tool",
    "_aix_support _read_cmd_output",
    "_pyrepl.pager pipe_pager",
    "_pyrepl.main interactive_console",
    "pyrepl.pager pipepager",
    "imaplib IMAP4_stream",
    "uuid _get_command_stdout",
    "uuid _popen",
    "platform popen",
    "platform _syscmd_file",
    "ctypes CDLL",
    "ctypes.util _findLib_gcc",
    "_ctypes dlopen",
    "ctypes string_at",
    "ctypes PyDLL",
    "mmap mmap",
    "shutil rmtree",
    "shutil move",
    "shutil copyfile",
    "tempfile NamedTemporaryFile",
    "tempfile mktemp",
    "glob glob",
    "fileinput input",
    "linecache getline",
    "linecache updatecache",
    "tokenize open",
    "pathlib Path.write_text",
    "pathlib Path.unlink",
    "pathlib os.system",
    "zipfile ZipFile",
    "zipfile main",
    "tarfile open",
    "tarfile main",
    "gzip open",
    "bz2 BZ2File",
    "lzma open",
    "sqlite3 connect",
    "_sqlite3 connect",
    "socket socket",
    "socket create_connection",
    "_socket socket",
    "ssl get_server_certificate",
    "ssl create_default_context",
    "urllib.request urlopen",
    "urllib.request urlretrieve",
    "urllib2 urlopen",
    "urllib urlopen",
    "http.client HTTPConnection",
    "http.server test",
    "httplib HTTPSConnection",
    "ftplib FTP",
    "smtplib SMTP",
    "telnetlib Telnet",
    "poplib POP3",
    "nntplib NNTP",
    "xmlrpc.client ServerProxy",
    "webbrowser open",
    "antigravity geohash",
    "this s",
    "site main",
    "sys exit",
    "sys settrace",
    "sys modules",
    "atexit register",
    "signal signal",
    "threading Thread",
    "_thread start_new_thread",
    "thread start_new_thread",
    "sched scheduler.run",
    "weakref finalize",
    "gc get_objects",
    "inspect getattr_static",
    "inspect currentframe",
    "unittest main",
    "unittest.mock _importer",
    "test.support.script_helper assert_python_ok",
    "logging.config listen",
    "logging.config fileConfig",
    "logging.config _resolve",
    "logging FileHandler",
    "configparser RawConfigParser.read",
    "cgitb enable",
    "smtpd DebuggingServer",
    "wsgiref.simple_server demo_app",
    "compileall compile_dir",
    "py_compile compile",
    "modulefinder ModuleFinder.run_script",
    "symtable symtable",
    "ast literal_eval",
    "string Formatter.vformat",
    "getpass getpass",
    "curses.textpad Textbox",
    "turtle Screen",
    "tkinter Tk",
    "readline read_init_file",
    "rlcompleter Completer.attr_matches",
    "cmd Cmd.onecmd",
    "crypt crypt",
    "nis match",
    "resource setrlimit",
    "fcntl ioctl",
    "syslog openlog",
    "winreg OpenKey",
    "_winapi CreateProcess",
    "msilib OpenDatabase",
    "pip main",
    "pip._internal main",
    "pip._internal.cli.main main",
    "setuptools setup",
    "pkg_resources load_entry_point",
    "numpy load",
    "numpy fromfile",
    "numpy memmap",
    "numpy savetxt",
    "numpy.testing._private.utils runstring",
    "numpy.f2py.crackfortran getlincoef",
    "numpy.f2py.crackfortran param_eval",
    "numpy.f2py.crackfortran _eval_length",
    "numpy.f2py.crackfortran myeval",
    "numpy.f2py.capi_maps load_f2cmap_file",
    "numpy.f2py.diagnose run_command",
    "numpy.distutils.exec_command exec_command",
    "numpy.ctypeslib load_library",
    "numpy.lib._npyio_impl NpzFile",
    "numpy.lib.npyio load",
    "numpy DataSource",
    "scipy.io loadmat",
    "scipy.weave inline",
    "pandas read_pickle",
    "pandas eval",
    "pandas.io.pickle read_pickle",
    "pandas.io.common get_handle",
    "pandas.core.computation.eval eval",
    "pandas.core.frame DataFrame.eval",
    "pandas.core.frame DataFrame.query",
    "pandas.core.generic NDFrame.to_pickle",
    "pandas.core.series Series.to_csv",
    "torch load",
    "torch save",
    "torch.serialization load",
    "torch.jit load",
    "torch.jit._script CompilationUnit",
    "torch.jit.unsupported_tensor_ops execWrapper",
    "torch.hub load",
    "torch.hub download_url_to_file",
    "torch.fx.graph_module reduce_graph_module",
    "torch.fx.graph_module _exec_with_source",
    "torch.package PackageImporter",
    "torch.utils.bottleneck.__main__ run_cprofile",
    "torch.utils.bottleneck.__main__ run_autograd_prof",
    "torch.utils.collect_env run",
    "torch.utils.data.datapipes.utils.decoder basichandlers",
    "torch.utils._config_module ConfigModule.load_config",
    "torch.utils._config_module load_config",
    "torch.utils.cpp_extension load_inline",
    "torch.utils.model_zoo load_url",
    "torch._dynamo.guards GuardBuilder.get",
    "torch._dynamo.utils tensor_always_has_static_shape",
    "torch._inductor.codecache PyCodeCache.load",
    "torch.distributed.rpc rpc_sync",
    "torch.distributed.run main",
    "torch.distributed.launcher.api elastic_launch",
    "torch.multiprocessing.spawn spawn",
    "torch.onnx.utils export",
    "torch.testing._internal.common_utils run_tests",
    "torch.ops load_library",
    "torch.classes load_library",
    "torch.nn.functional importlib.import_module",
    "torch.nn.init os.system",
    "tensorflow.python.framework.load_library load_op_library",
    "keras.src.utils.file_utils get_file",
    "keras.utils get_file",
    "sklearn.svm._classes SVC.fit",
    "sklearn.utils._testing _run_python_script",
    "sklearn.datasets fetch_openml",
    "sklearn.externals.joblib load",
    "joblib load",
    "joblib.numpy_pickle load",
    "joblib.externals.loky.backend.popen_loky_posix Popen",
    "cloudpickle.cloudpickle _make_function",
    "cloudpickle.cloudpickle subimport",
    "cloudpickle loads",
    "dill._dill _create_code",
    "dill._dill _import_module",
    "dill._dill _eval_repr",
    "dill loads",
    "transformers.dynamic_module_utils get_class_from_dynamic_module",
    "transformers.utils.import_utils _LazyModule",
    "huggingface_hub hf_hub_download",
    "requests get",
    "requests.api get",
    "aiohttp ClientSession",
    "yaml unsafe_load",
    "yaml load",
    "jinja2 Template",
    "jinja2.sandbox SandboxedEnvironment",
    "IPython.core.magic register_line_magic",
    "IPython.utils.process system",
    "nltk.downloader download",
    "fsspec open",
    "boto3 client",
    "paramiko SSHClient",
    "pexpect spawn",
    "sh Command",
    "fabric Connection",
    "psutil Popen",
    "cffi FFI",
    "numba jit",
    "cython inline",
    "Cython.Build.Inline cython_inline",
    "pytest main",
    "_pytest.config main",
    "nose run",
    "matplotlib use",
    "ray get",
    "dask delayed",
    "celery Celery",
    "django.core.management execute_from_command_line",
    "flask Flask",
    "tornado.ioloop IOLoop",
    "twisted.internet.reactor run",
    "gevent spawn",
    "fickling.hook deactivate_safe_ml_environment",
    "fickling.hook remove_hook",
    "picklescan.scanner scan_file_path",
    "modelscan.modelscan ModelScan",
    "modelaudit.core scan_file",
};

typedef struct {
    uint8_t bytes[512];
    size_t n;
} stream;

static void put(stream *s, const void *bytes, size_t n)
{
    assert_true(s->n + n <= sizeof s->bytes);
    memcpy(s->bytes + s->n, bytes, n);
    s->n += n;
}

#define PUT(s, text) put((s), (text), sizeof(text) - 1)

static void put_short(stream *s, sl_view text)
{
    const uint8_t head[] = { 0x8c, (uint8_t)text.n };
    put(s, head, sizeof head);
    put(s, text.p, text.n);
}

static void put_lines(stream *s, char opcode, sl_view module, sl_view name)
{
    put(s, &opcode, 1);
    put(s, module.p, module.n);
    PUT(s, "\n");
    put(s, name.p, name.n);
    PUT(s, "\n");
}

/* In how many ways a stream can name and call something. */
static const char *const forms[] = { "REDUCE", "INST",     "OBJ",        "STACK_GLOBAL",
                                     "memo",   "NEWOBJ",   "NEWOBJ_EX",  "dropped",
                                     "broken", "trailing", "a name only" };

static stream make(size_t form, sl_view module, sl_view name)
{
    stream s = { 0 };
    switch (form) {
    case 1: /* INST */
        PUT(&s, "(S'inert'\n");
        put_lines(&s, 'i', module, name);
        PUT(&s, ".");
        return s;
    case 2: /* OBJ */
        PUT(&s, "(");
        put_lines(&s, 'c', module, name);
        PUT(&s, "S'inert'\no.");
        return s;
    case 3: /* STACK_GLOBAL */
        PUT(&s, "\x80\4");
        put_short(&s, module);
        put_short(&s, name);
        PUT(&s, "\x93\x8c\5inert\x85R.");
        return s;
    case 4: /* the name comes from the memo, in an order of its own */
        PUT(&s, "\x80\4");
        put_short(&s, name);
        PUT(&s, "\x94"
                "0");
        put_short(&s, module);
        PUT(&s, "\x94"
                "0h\1h\0\x93\x8c\5inert\x85R.");
        return s;
    case 5: /* NEWOBJ */
        PUT(&s, "\x80\2");
        put_lines(&s, 'c', module, name);
        PUT(&s, "U\5inert\x85\x81.");
        return s;
    case 6: /* NEWOBJ_EX */
        PUT(&s, "\x80\4");
        put_lines(&s, 'c', module, name);
        PUT(&s, "\x8c\5inert\x85}\x92.");
        return s;
    case 7: /* the result is thrown away */
        put_lines(&s, 'c', module, name);
        PUT(&s, "(S'inert'\ntR0N.");
        return s;
    case 8: /* the stream breaks off behind the call */
        PUT(&s, "\x80\2");
        put_lines(&s, 'c', module, name);
        PUT(&s, "U\5inert\x85R\xff");
        return s;
    case 9: /* behind the STOP of a harmless stream */
        PUT(&s, "\x80\2N.\x80\2");
        put_lines(&s, 'c', module, name);
        PUT(&s, "U\5inert\x85R.");
        return s;
    case 10: /* named, and only kept */
        PUT(&s, "\x80\2");
        put_lines(&s, 'c', module, name);
        PUT(&s, ".");
        return s;
    default:
        PUT(&s, "\x80\2");
        put_lines(&s, 'c', module, name);
        PUT(&s, "U\5inert\x85R.");
        return s;
    }
}

static void every_gadget_is_refused_in_every_form(void **state)
{
    size_t missed = 0;
    for (size_t i = 0; i < SL_COUNT_OF(gadgets); i++) {
        sl_view module = { 0 };
        sl_view name = { 0 };
        assert_true(sl_view_cut(sl_view_str(gadgets[i]), ' ', &module, &name));
        for (size_t form = 0; form < SL_COUNT_OF(forms); form++) {
            stream s = make(form, module, name);
            sl_scan_result result = format_scan(sl_view_of(s.bytes, s.n), "model.bin");
            bool refused = result.class == SL_SCAN_DANGEROUS;
            if (!refused) {
                print_error("%s by %s\n", gadgets[i], forms[form]);
                format_print(&result, gadgets[i]);
            }
            missed += !refused;
            sl_scan_result_free(&result);
        }
    }
    assert_int_equal(missed, 0);
}

typedef struct {
    const char *what;
    const char *bytes;
    size_t n;
    sl_rule rule;
} row;

#define ROW(what, bytes, rule)                                                                     \
    {                                                                                              \
        what, bytes, sizeof(bytes) - 1, rule                                                       \
    }

/* Reviewed names turned round: each is written by a library that means well. */
static const row turned[] = {
    ROW("numpy imports a stranger",
        "\x80\2cnumpy.core\n_ufunc_reconstruct\nX\2\0\0\0osX\6\0\0\0system\x86R.",
        SL_RULE_PICKLE_GLOBAL_DENIED),
    ROW("numpy imports what the stream made up",
        "\x80\2cnumpy.core\n_ufunc_reconstruct\nX\2\0\0\0osN\x86R.",
        SL_RULE_PICKLE_GLOBAL_COMPUTED),
    ROW("numpy calls what it is given",
        "\x80\4cnumpy.random._pickle\n__generator_ctor\n\x8c\5inertcsklearn.svm._classes\nSVC\n\x86R.",
        SL_RULE_PICKLE_CALLABLE_ARGUMENT),
    ROW("torch calls what it is given",
        "\x80\4ctorch._tensor\n_rebuild_from_type_v2\n(ctorch\nfloat32\nctorch\nTensor\n)NtR.",
        SL_RULE_PICKLE_CALLABLE_ARGUMENT),
    ROW("torch calls what is no constant",
        "\x80\4ctorch._tensor\n_rebuild_from_type_v2\n(Nctorch\nTensor\n)NtR.",
        SL_RULE_PICKLE_CALL_COMPUTED),
    ROW("a base whose constructor runs",
        "\x80\3ccopyreg\n_reconstructor\n(csklearn.svm._classes\nSVC\n"
        "csklearn.svm._classes\nSVC\nNtR.",
        SL_RULE_PICKLE_CALL_CLASS),
    ROW("a base that is no constant",
        "\x80\3ccopyreg\n_reconstructor\n(csklearn.svm._classes\nSVC\nNNtR.",
        SL_RULE_PICKLE_CALL_COMPUTED),
    ROW("a state that scipy executes",
        "\x80\4cscipy.stats._distn_infrastructure\nrv_continuous\n)\x81}\x62.",
        SL_RULE_PICKLE_HELD),
    ROW("a formula that statsmodels evaluates",
        "\x80\4cstatsmodels.base.data\nPandasData\n)\x81}\x8c\7formula\x8c\5inertsb.",
        SL_RULE_PICKLE_HELD),
    ROW("an attribute of a class that may be called",
        "\x80\2cbuiltins\ngetattr\ncbuiltins\nint\nX\6\0\0\0system\x86R.",
        SL_RULE_PICKLE_CALL_DENIED),
    ROW("an attribute of a module", "\x80\2cbuiltins\ngetattr\ncos\n_wrap_close\nX\1\0\0\0X\x86R.",
        SL_RULE_PICKLE_CALL_DENIED),
    ROW("getattr kept for later", "\x80\2cbuiltins\ngetattr\n.", SL_RULE_PICKLE_GLOBAL_DENIED),
    ROW("getattr kept after a good use",
        "\x80\2cbuiltins\ngetattr\ncre\nRegexFlag\nX\1\0\0\0A\x86R0cbuiltins\ngetattr\n.",
        SL_RULE_PICKLE_GLOBAL_DENIED),
    ROW("getattr handed to a call", "\x80\2ccollections\ndefaultdict\ncbuiltins\ngetattr\n\x85R.",
        SL_RULE_PICKLE_CALLABLE_ARGUMENT),
    ROW("a method through a reviewed class",
        "\x80\4\x8c\x11pandas.core.frame\x8c\x0e"
        "DataFrame.eval\x93\x8c\5inert\x85R.",
        SL_RULE_PICKLE_GLOBAL_DOTTED),
    ROW("an allocation beyond reason", "\x80\2cbuiltins\nbytearray\n\x8a\6\0\0\0\0\0\x01\x85R.",
        SL_RULE_PICKLE_EXPANSION),
    ROW("an allocation of a terabyte", "\x80\2cbuiltins\nbytearray\n\x8a\5\0\0\0\0\x70\x85R.",
        SL_RULE_PICKLE_EXPANSION),
};

static void reviewed_names_are_not_turned_round(void **state)
{
    for (size_t i = 0; i < SL_COUNT_OF(turned); i++) {
        assert_rule_of(sl_view_of(turned[i].bytes, turned[i].n), "m.bin", turned[i].rule,
                       turned[i].what);
        sl_scan_result result = format_scan(sl_view_of(turned[i].bytes, turned[i].n), "m.bin");
        assert_true(result.class != SL_SCAN_CLEAN);
        sl_scan_result_free(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_gadget_is_refused_in_every_form),
        cmocka_unit_test(reviewed_names_are_not_turned_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
