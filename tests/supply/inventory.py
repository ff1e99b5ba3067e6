#!/usr/bin/env python3
"""`stoplog inventory` as people run it: update, check, bom; and what goes wrong.
usage: inventory.py STOPLOG"""
import json
import os
import subprocess
import sys
import tempfile

STOPLOG = os.path.abspath(sys.argv[1])
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OSV = os.path.join(os.environ.get("SL_SHARED", os.path.join(ROOT, "..", "shared")),
                   "data", "supply", "osv")
passed = failed = skipped = 0


def check(name, good, detail=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print(f"FAILED {name} {detail}")


def run(*words):
    done = subprocess.run([STOPLOG, "--json", "inventory", *words], capture_output=True, text=True,
                          timeout=60)
    return done.returncode, [json.loads(x) for x in done.stdout.splitlines() if x[:1] == "{"], \
        done.stderr


def record(ident, name, fixed, **more):
    return dict({"id": ident, "modified": "2026-11-01T00:00:00Z", "summary": "a flaw", "affected": [
        {"package": {"ecosystem": "PyPI", "name": name}, "ranges": [
            {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]}, **more)


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(content)


def feeds(dir):
    feed = f"{dir}/feed.jsonl"
    check("no feed yet", run("check", dir, "--feed", feed)[0] == 3)
    check("nothing to make a feed of", run("update", "--from", f"{dir}", "--feed", feed)[0] == 3
          and not os.path.exists(feed))
    write(f"{dir}/osv/a.json", json.dumps(record("T-1", "alpha", "2.0"), indent=2))
    write(f"{dir}/osv/deep/b.jsonl", json.dumps(record("T-2", "beta", "1.5")) + "\n{broken\n")
    code, _, err = run("update", "--from", f"{dir}/osv", "--feed", feed)
    check("a feed is made, what is broken is named", code == 0 and "b.jsonl:2" in err, err)
    with open(feed, encoding="utf-8") as f:
        lines = f.read().splitlines()
    check("one line a record", len(lines) == 3 and json.loads(lines[0])["records"] == 2)
    write(f"{dir}/short.jsonl", "\n".join(lines[:2]) + "\n")
    write(f"{dir}/p/requirements.txt", "Alpha==1.9\nbeta==1.5\n")
    check("a feed that lost a record is refused",
          run("check", f"{dir}/p", "--feed", f"{dir}/short.jsonl")[0] == 4)
    return feed


def checks(dir, feed):
    code, out, _ = run("check", f"{dir}/p", "--feed", feed)
    check("an affected version is found", code == 1 and out[0]["advisory"] == "T-1" and
          out[0]["fixed"] == "2.0" and out[-1]["summary"]["affected"] == 1, out)
    write(f"{dir}/q/requirements.txt", "alpha==2.0\n")
    code, out, _ = run("check", f"{dir}/q", "--feed", feed)
    check("a repaired one is not", code == 0 and out[-1]["summary"]["affected"] == 0, out)
    write(f"{dir}/r/requirements.txt", "alpha\n")
    code, out, _ = run("check", f"{dir}/r", "--feed", feed)
    check("one without a version is unknown", out[-1]["summary"]["unknown"] == 1 and
          out[-1]["summary"]["loose"] == 1, out)
    write(f"{dir}/s/uv.lock", "[[package]]\nname = \"alpha\n")
    write(f"{dir}/s/requirements.txt", "alpha==1.0\n")
    code, out, err = run("check", f"{dir}/s", "--feed", feed)
    check("a damaged file is named, the rest is checked", code == 3 and "uv.lock" in err and
          out[-1]["summary"]["affected"] == 1 and out[-1]["summary"]["incomplete"] == 1, err)
    write(f"{dir}/empty/x.py", "")
    check("nothing to check is said", run("check", f"{dir}/empty", "--feed", feed)[0] == 3)
    check("a path that is not there", run("check", f"{dir}/nowhere", "--feed", feed)[0] == 3)


def boms(dir, feed):
    model = f"{dir}/model"
    write(f"{model}/config.json", '{"model_type":"llama","architectures":["LlamaForCausalLM"]}')
    write(f"{model}/README.md", "---\nlicense: apache-2.0\nbase_model: acme/base\ndatasets:\n"
                                "  - trial-a\n  - \"two\"\npipeline_tag: text-generation\n---\n")
    write(f"{model}/requirements.txt", "Alpha==1.9\n")
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    with open(f"{model}/model.safetensors", "wb") as f:
        f.write(len(header).to_bytes(8, "little") + header + bytes(24))
    code, _, err = run("bom", model, "--feed", feed, "-o", f"{dir}/bom.json")
    check("a bill of materials is written", code == 0, err)
    with open(f"{dir}/bom.json", encoding="utf-8") as f:
        text = f.read()
    bom = json.loads(text)
    component = bom["metadata"]["component"]
    check("its model card", component["modelCard"]["modelParameters"]["task"] == "text-generation"
          and component["modelCard"]["modelParameters"]["modelArchitecture"] == "LlamaForCausalLM"
          and component["licenses"] == [{"license": {"id": "Apache-2.0"}}]
          and component["pedigree"]["ancestors"][0]["name"] == "acme/base"
          and {"name": "stoplog:parameters", "value": "6"} in component["modelCard"]["properties"],
          component)
    kinds = [c["type"] for c in bom["components"]]
    check("files, data sets, libraries", kinds.count("file") == 4 and kinds.count("data") == 2 and
          kinds.count("library") == 1, kinds)
    check("its vulnerabilities", bom["vulnerabilities"][0]["id"] == "T-1")
    check("references are unique", len({c["bom-ref"] for c in bom["components"]}) ==
          len(bom["components"]))
    code, out, _ = run("check", f"{dir}/bom.json", "--feed", feed)
    check("it is read back", code == 1 and out[0]["package"] == "alpha", out)
    validate(text)


def validate(text):
    global skipped
    python = os.environ.get("CYCLONEDX_PYTHON", sys.executable)
    script = ("import sys\nfrom cyclonedx.validation.json import JsonStrictValidator\n"
              "from cyclonedx.schema import SchemaVersion\n"
              "e=JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())\n"
              "print(e) if e else None\nsys.exit(1 if e else 0)\n")
    has = subprocess.run([python, "-c", "import cyclonedx.validation.json, jsonschema"],
                         capture_output=True, timeout=60)
    if has.returncode != 0:
        print("skipped: no validator (pip install 'cyclonedx-python-lib[json-validation]')")
        skipped += 1
        return
    done = subprocess.run([python, "-c", script], input=text, capture_output=True, text=True,
                          timeout=60)
    check("the schema of CycloneDX 1.6", done.returncode == 0, done.stdout[:500])


def real_feed(dir):
    """Every version that a record lists must be found affected by it, and by name in any spelling."""
    global skipped
    if not os.path.isdir(OSV):
        print("skipped: no advisories (set SL_SHARED)")
        skipped += 1
        return
    feed = f"{dir}/pysec.jsonl"
    check("a real feed", run("update", "--from", OSV, "--feed", feed)[0] == 0)
    wanted, clean = set(), set()
    with open(os.path.join(OSV, "pysec-2024-10.jsonl"), encoding="utf-8") as f:
        records = [json.loads(line) for line in f]
    for r in records[::40]:
        for a in r.get("affected", []):
            for version in a.get("versions", [])[-2:]:
                if "withdrawn" not in r:
                    wanted.add((r["id"], a["package"]["name"].lower(), version))
    lines = sorted({f"{name.upper()}=={version}" for _, name, version in wanted})
    write(f"{dir}/real/requirements.txt", "\n".join(lines) + "\n")
    _, out, _ = run("check", f"{dir}/real", "--feed", feed)
    got = {(x["advisory"], x["package"], x["version"]) for x in out[:-1]}
    missing = {w for w in wanted if (w[0], w[1].replace("_", "-").replace(".", "-"), w[2]) not in got}
    check(f"{len(wanted)} listed versions are found", not missing and len(wanted) > 50,
          sorted(missing)[:5])


with tempfile.TemporaryDirectory(prefix="stoplog-inventory-") as work:
    path = feeds(work)
    checks(work, path)
    boms(work, path)
    real_feed(work)
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed else 0)
