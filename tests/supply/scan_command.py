#!/usr/bin/env python3
"""`stoplog scan` as people run it: trees with what is no plain file, bad input, exit statuses, outputs.

SARIF is validated where SL_SARIF_SCHEMA names OASIS's sarif-schema-2.1.0.json and a Python with jsonschema runs this;
the SVR statement is parsed where in_toto_attestation can be imported. Nothing here is unpickled.
usage: scan_command.py STOPLOG ALLOW-PACK
"""
import gzip
import io
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib

STOPLOG = os.path.abspath(sys.argv[1])
GOOD = b"\x80\x04K\x01."
BAD = b"cposix\nsystem\n(S'echo inert'\ntR."
passed = failed = skipped = 0


def check(name, good, detail=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {name} {detail}")


def run(*words, **more):
    done = subprocess.run([STOPLOG, "scan", *words], capture_output=True, timeout=120, **more)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def lines(out):
    """Path (without its folder) to the record of a --json run."""
    files = [json.loads(line) for line in out.splitlines()]
    return {os.path.basename(f["path"]): f for f in files if "path" in f}


def put(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(content)
    return path


def zipped(name, content):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(name, content)
    return held.getvalue()


def statuses(top):
    good, bad = put(f"{top}/s/good.pkl", GOOD), put(f"{top}/s/bad.pkl", BAD)
    odd = put(f"{top}/s/model.py", b"import torch\n")
    broken = put(f"{top}/s/broken.npy", b"\x93NUMPY\x01\x00\xff\xff{")
    for name, paths, status in [("clean", [good], 0), ("dangerous", [good, bad], 1), ("malformed", [broken], 1),
                                ("unknown", [good, odd], 5), ("unread", [good, f"{top}/none"], 3),
                                ("unread and unknown", [odd, f"{top}/none"], 3),
                                ("unread and dangerous", [f"{top}/none", bad], 1)]:
        code, out, err = run(*paths)
        check(f"status: {name}", code == status, f"{code} {out} {err}")
    code, out, _ = run(f"{top}/none", good, "-v")
    check("a missing path is named and the rest is scanned",
          "there is no such file" in out and "good.pkl" in out and "1 clean" in out, out)
    check("without a path: usage", run()[0] == 2, run())


def no_plain_files(top):
    tree = f"{top}/odd"
    put(f"{tree}/good.pkl", GOOD)
    put(f"{top}/outside/secret.pkl", BAD)
    os.mkfifo(f"{tree}/fifo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{tree}/socket")
    os.symlink(f"{top}/outside", f"{tree}/out")
    os.symlink("nowhere", f"{tree}/dangling")
    os.symlink("loop", f"{tree}/loop")
    os.symlink("good.pkl", f"{tree}/inside")
    code, out, err = run("--json", tree)
    seen = lines(out)
    listener.close()
    for name, rule, word in [("fifo", "scan.special", "FIFO"), ("socket", "scan.special", "socket"),
                             ("out", "scan.link", ""), ("dangling", "scan.link", "nowhere"),
                             ("loop", "scan.link", "nowhere")]:
        f = seen.get(name, {"findings": []})
        check(f"{name} is told and not opened", any(x["rule"] == rule and word in x["evidence"]
                                                    for x in f["findings"]) and f["class"] == "unknown", f)
    check("what links lead to is not scanned", "secret.pkl" not in seen)
    check("a link inside of the tree is no finding", "inside" not in seen)
    check("the rest is scanned", seen["good.pkl"]["class"] == "clean")
    check("status of what was not read", code == 3, f"{code} {err}")
    code, out, _ = run("/dev/null", f"{tree}/good.pkl")
    check("a device", code == 3 and "a device" in out and "1 clean" in out, out)


def unreadable(top):
    """Root reads everything: the case is tried as nobody, where the program can be reached as such."""
    global skipped
    tree = f"{top}/closed"
    put(f"{tree}/open.pkl", GOOD)
    put(f"{tree}/shut/x.pkl", GOOD)
    put(f"{tree}/file.pkl", GOOD)
    os.chmod(f"{tree}/shut", 0)
    os.chmod(f"{tree}/file.pkl", 0)
    more = {}
    if os.geteuid() == 0:
        os.chmod(top, 0o755)
        more = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
        try:
            subprocess.run([STOPLOG, "version"], capture_output=True, timeout=60, check=False, **more)
        except (OSError, subprocess.SubprocessError):
            skipped += 1
            return
    code, out, err = run("--json", tree, **more)
    seen = lines(out)
    check("a closed folder is named", any(f["rule"] == "scan.directory" for f in seen["shut"]["findings"]), out)
    check("a closed file is named", any(f["rule"] == "scan.read" for f in seen["file.pkl"]["findings"]), out)
    check("the rest of a closed tree is scanned", seen["open.pkl"]["class"] == "clean" and code == 3, f"{code} {err}")
    os.chmod(f"{tree}/shut", 0o700)


def self_containing_gzip():
    """A gzip file that unpacks to itself (after Russ Cox, "Zip Files All The Way Down"), in units of five bytes:
    a stored block's head, or a block of two matches. Its checksum stands in what it sums: 32 linear equations."""
    def literal(n):
        return b"\0" + struct.pack("<HH", n, n ^ 0xffff)

    def repeat(n):
        """The last n bytes once more, n being 18 or 20: two matches, 40 bits with the end of the block."""
        bits = [0, 1, 0]
        for _ in range(2):
            code = n // 2 - 2 # lengths 3 to 10 are the codes 257 to 264, seven bits each
            bits += [code >> b & 1 for b in range(6, -1, -1)] + [0, 1, 0, 0, 0]
            bits += [n - 17 >> b & 1 for b in range(3)] # distances 17 to 24: code 8 and three bits
        bits += [0] * 7
        return bytes(sum(bits[i + b] << b for b in range(8)) for i in range(0, 40, 8))

    def build(crc, size, salt):
        head = b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"%04d\0" % salt
        tail = b"\x01\0\0\xff\xff" + struct.pack("<II", crc, size)
        l0, l1, l4, r4 = literal(0), literal(5), literal(20), repeat(20)
        end = repeat(5 + len(tail)) + tail
        ls = literal(len(end))
        return b"".join([head, l4, head, l4, r4, l1, r4, l1, l1, l4, r4, l1, l1, l4, r4, l4, r4, l4, r4, l4,
                         r4, l4, r4, l0, l0, ls, r4, l0, l0, ls, end, end])

    size = len(build(0, 0, 0))
    for salt in range(1000):
        zero = zlib.crc32(build(0, size, salt))
        rows = [(zlib.crc32(build(1 << b, size, salt)) ^ zero ^ 1 << b, 1 << b) for b in range(32)]
        left, crc = zero, 0
        basis = {}
        for value, used in rows: # which bits of the checksum, set, change the difference by what
            while value and value.bit_length() in basis:
                other = basis[value.bit_length()]
                value, used = value ^ other[0], used ^ other[1]
            if value:
                basis[value.bit_length()] = (value, used)
        while left and left.bit_length() in basis:
            value, used = basis[left.bit_length()]
            left, crc = left ^ value, crc ^ used
        if left == 0:
            return build(crc, size, salt)
    raise AssertionError("no checksum fits")


def bombs(top):
    global skipped
    tree = f"{top}/bombs"
    put(f"{tree}/ratio.zip", zipped("zeros.bin", b"\0" * (80 << 20)))
    put(f"{tree}/ratio.gz", gzip.compress(b"\0" * (80 << 20), 9))
    nest = BAD
    for level in range(10):
        nest = zipped(f"{level}.zip" if level else "m.pkl", nest)
    put(f"{tree}/deep.zip", nest)
    nest = GOOD
    for _ in range(10):
        nest = gzip.compress(nest)
    put(f"{tree}/deep.gz", nest)
    quine = self_containing_gzip()
    check("the quine is one", gzip.decompress(quine) == quine)
    put(f"{tree}/quine.gz", quine)
    put(f"{tree}/quine.zip", zipped("quine.gz", quine))
    try:
        with open(f"{tree}/sparse.bin", "wb") as out:
            out.truncate(5 << 40)
    except OSError:
        skipped += 1 # this file system has no such sizes
        os.remove(f"{tree}/sparse.bin")
    put(f"{tree}/good.pkl", GOOD)
    code, out, _ = run("--json", tree)
    for name, f in lines(out).items():
        good = name == "good.pkl"
        check(f"{name}", (f["class"] == "clean") == good and f["complete"] == good, f)
        check(f"{name}: no worker died", all(x["rule"] not in ("scan.crashed", "scan.memory", "scan.time")
                                             for x in f["findings"]), f)
    if os.path.exists(f"{tree}/sparse.bin"):
        check("a hole is told as one", any(x["rule"] == "scan.sparse" for x in lines(out)["sparse.bin"]["findings"]))
    check("bombs: status", code == 1, code)


def names(top):
    """What stands in a name reaches no terminal as it is, and every output stays one record a line."""
    tree = f"{top}/names"
    os.makedirs(tree)
    raw = os.fsencode(tree) + b"/a\x1b[31m\n\xff\"<x>.pkl"
    with open(raw, "wb") as out:
        out.write(BAD)
    code, out, _ = run(tree)
    check("control characters of a name are not printed", "\x1b" not in out and "a?[31m?" in out and code == 1, out)
    _, out, _ = run("--json", tree)
    check("one line a file", len(out.splitlines()) == 2 and all(json.loads(x) for x in out.splitlines()), out)
    _, out, _ = run("--sarif", tree)
    uri = json.loads(out)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    check("a URI is ASCII and escaped", uri.isascii() and "%0A" in uri and "%FF" in uri and "<" not in uri, uri)


def sarif(top):
    global skipped
    tree = f"{top}/sarif"
    put(f"{tree}/bad.pkl", BAD)
    put(f"{tree}/in.zip", zipped("m.pkl", BAD))
    put(f"{tree}/good.pkl", GOOD)
    code, out, _ = run("--sarif", tree)
    log = json.loads(out)
    one = log["runs"][0]
    rules = [r["id"] for r in one["tool"]["driver"]["rules"]]
    check("SARIF: version and status", log["version"] == "2.1.0" and code == 1)
    check("SARIF: every result points to its rule",
          one["results"] and all(rules[r["ruleIndex"]] == r["ruleId"] for r in one["results"]))
    check("SARIF: a member is a logical location", any(
        "logicalLocations" in r["locations"][0] for r in one["results"]), one["results"])
    check("SARIF: clean files have no result", "good.pkl" not in json.dumps(one["results"]))
    schema = os.environ.get("SL_SARIF_SCHEMA", "")
    try:
        import jsonschema
    except ImportError:
        schema = ""
    if not os.path.exists(schema):
        skipped += 1
        return
    with open(schema, encoding="utf-8") as f:
        rule = json.load(f)
    errors = [e.message for e in jsonschema.validators.validator_for(rule)(rule).iter_errors(log)]
    check("SARIF validates against OASIS's schema", not errors, errors[:3])


def statement(top):
    global skipped
    tree = f"{top}/svr"
    put(f"{tree}/good.pkl", GOOD)
    code, out, _ = run("--svr", tree)
    made = json.loads(out)
    check("SVR: a statement about the clean file", code == 0 and made["_type"].endswith("Statement/v1") and
          len(made["subject"]) == 1 and len(made["subject"][0]["digest"]["sha256"]) == 64, out)
    try:
        from google.protobuf import json_format
        from in_toto_attestation.v1 import statement_pb2
        from in_toto_attestation.v1.statement import Statement
    except ImportError:
        skipped += 1
        return
    parsed = json_format.Parse(out, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    check("SVR: in-toto's own library reads it", parsed.predicate_type.startswith("https://in-toto.io/attestation/svr"))


def explained(top):
    plain = put(f"{top}/x/m.pkl", BAD)
    inside = put(f"{top}/x/in.zip", zipped("a/m.bin", BAD))
    twice = put(f"{top}/x/deep.gz", gzip.compress(zipped("a/m.bin", BAD)))
    code, out, err = run("--explain", plain)
    check("--explain: a pickle", code == 0 and "posix.system('echo inert'" in out and "#" not in out, out + err)
    code, out, err = run("--explain", inside)
    check("--explain: every pickle of an archive, under its name",
          code == 0 and "# a/m.bin" in out and "posix.system('echo inert'" in out, out + err)
    member = [f["member"] for f in lines(run("--json", twice)[1])["deep.gz"]["findings"]][0]
    code, out, err = run("--explain", twice, member)
    check("--explain: a member as findings name it", code == 0 and "posix.system" in out, out + err)
    code, out, err = run("--explain", inside, "nosuch")
    check("--explain: no such member", code == 3 and out == "" and "member" in err, f"{code} {out} {err}")
    code, out, err = run("--explain", put(f"{top}/x/odd", b"\x80\x02\xff"))
    check("--explain: what is no pickle", code == 0 and "no pickle" in out, out + err)


def own_names(top):
    bad = put(f"{top}/own/m.pkl", b"\x80\x02cmylab.nets\nNet\n)\x81.")
    entry = "allow:\n  - name: mylab.nets.Net\n    may: new\n    reason: reviewed\n    approver: A. Person\n    expires: "
    held = put(f"{top}/own/held.yml", entry.encode() + b'"2099-01-01"\n')
    past = put(f"{top}/own/past.yml", entry.encode() + b'"2001-01-01"\n')
    nobody = put(f"{top}/own/nobody.yml", entry.replace("    approver: A. Person\n", "").encode() + b'"2099-01-01"\n')
    denied = put(f"{top}/own/denied.yml", entry.replace("mylab.nets.Net", "os.system").encode() + b'"2099-01-01"\n')
    check("a stranger's class is for a person", run(bad)[0] == 5)
    check("a site's own name holds", run("--allow", held, bad)[0] == 0, run("--allow", held, bad))
    code, _, err = run("--allow", past, bad)
    check("until its day", code == 5 and "no longer hold" in err, f"{code} {err}")
    code, out, err = run("--allow", nobody, bad)
    check("nobody's approval is none", code not in (0, 1, 5) and out == "", f"{code} {out} {err}")
    code, out, err = run("--allow", denied, bad)
    check("what the pack denies cannot be allowed", code not in (0, 5) and out == "" and "refused" in err, f"{code} {out} {err}")


def signed_pack(top):
    """Packs of names that a key of ours signed; the tool that signs is built beside the program."""
    tool = os.path.abspath(sys.argv[2])
    model = put(f"{top}/pack/model.pkl", b"\x80\x02cmylib\nModel\n)\x81.")
    text = put(f"{top}/pack/names.txt", b"pack 2099.01.01\nnew mylib.Model\n")
    key, pack, keys = f"{top}/pack/key.pem", f"{top}/pack/names.pack", f"{top}/pack/keys.txt"

    def sign(*words):
        return subprocess.run([tool, *words], capture_output=True, check=True, timeout=60).stdout

    put(keys, sign("key", "lab", key))
    check("a signing key is for its owner alone", os.stat(key).st_mode & 0o777 == 0o600)
    put(pack, sign("sign", "lab", key, text))
    check("the carried names do not know it", run(model)[0] == 5)
    code, out, err = run("--rules", pack, "--rules-keys", keys, "--json", model)
    told = json.loads(out.splitlines()[-1])["summary"]["allow"] if code == 0 else {}
    check("a signed pack takes the place of the carried one", told.get("pack") == "2099.01.01", f"{code} {out} {err}")
    for name, words, wanted in [("nobody's key", ("--rules", pack), "signature"),
                                ("a text without signature", ("--rules", text, "--rules-keys", keys), "pack of names"),
                                ("a floor above it", ("--rules", pack, "--rules-keys", keys, "--rules-min",
                                                      "2099.01.02"), "older")]:
        code, out, err = run(*words, model)
        check(f"pack refused: {name}", code not in (0, 1, 5) and out == "" and wanted in err, f"{code} {out} {err}")
    check("keys without a pack: usage", run("--rules-keys", keys, model)[0] == 2)


def main():
    for part in (statuses, no_plain_files, unreadable, bombs, names, sarif, statement, explained, own_names,
                 signed_pack):
        with tempfile.TemporaryDirectory() as top:
            part(top)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
