#!/usr/bin/env python3
"""`stoplog sign` and `stoplog verify` over whole models, as people run them.

Each case starts from a good model and does one wrong thing to it. Timestamps come from `openssl ts`
under an authority made here. The reference implementation (PyPI: model-signing) judges our signatures
and makes some for us when a Python that has it is named in MODEL_SIGNING_PYTHON or can import it;
vectors it made earlier are read from ../shared. usage: sign_verify.py STOPLOG
"""
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile

STOPLOG = os.path.abspath(sys.argv[1])
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VECTORS = os.path.join(os.environ.get("SL_SHARED", os.path.join(ROOT, "..", "shared")),
                       "data", "supply", "oms_vectors")
passed = failed = skipped = 0


def check(name, good, detail=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {name} {detail}")


def run(*words):
    done = subprocess.run([STOPLOG, *words], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def openssl(*words, **more):
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60, **more)


def summary(out):
    return json.loads(out.splitlines()[-1])["summary"]


def make_model(path):
    os.makedirs(f"{path}/sub/deep")
    for name, content in {"a-b": b"1", "sub/deep/f": b"2", "empty": b"", "w.bin": os.urandom(70000),
                          "ünï.json": b"{}"}.items():
        with open(f"{path}/{name}", "wb") as f:
            f.write(content)


def tampering(dir):
    model = f"{dir}/model"
    make_model(model)
    run("sign", "--new-key", f"{dir}/k.pem")
    check("a private key is private", os.stat(f"{dir}/k.pem").st_mode & 0o777 == 0o600)
    check("sign", run("sign", model, "--key", f"{dir}/k.pem")[0] == 0)
    trust = ["--key", f"{dir}/k.pem.pub"]
    code, out, _ = run("--json", "verify", model, *trust)
    scan = summary(out)["stoplog"]["scan"]
    check("the scan's verdict is in the signature", scan["files"] == 5 and scan["complete"], scan)
    with open(f"{model}/evil.pkl", "wb") as f:
        f.write(b"cos\nsystem\n(S'echo inert'\ntR.")
    before = open(f"{model}.sig", "rb").read()
    code, _, err = run("sign", model, "--key", f"{dir}/k.pem")
    check("what would run code is not signed", code == 1 and "evil.pkl" in err and
          open(f"{model}.sig", "rb").read() == before, err)
    check("but without a scan it is, and says so", run(
        "sign", model, "--key", f"{dir}/k.pem", "--no-scan")[0] == 0 and "scan" not in summary(
            run("--json", "verify", model, *trust)[1])["stoplog"])
    os.remove(f"{model}/evil.pkl")
    run("sign", model, "--key", f"{dir}/k.pem")
    check("verify", run("verify", model, *trust)[0] == 0)

    def wrong(name, do, undo, status, word):
        do()
        code, out, err = run("--json", "verify", model, *trust)
        check(name, code == status and word in out + err, f"{code} {out} {err}")
        undo()
        check(name + ", undone", run("verify", model, *trust)[0] == 0)

    def write(name, content):
        with open(f"{model}/{name}", "wb") as f:
            f.write(content)

    wrong("a changed byte", lambda: write("a-b", b"x"), lambda: write("a-b", b"1"), 4, '"changed":1')
    wrong("a missing file", lambda: os.rename(f"{model}/empty", f"{dir}/kept"),
          lambda: os.rename(f"{dir}/kept", f"{model}/empty"), 4, '"missing":1')
    wrong("an added file", lambda: write("new", b""), lambda: os.remove(f"{model}/new"), 4,
          '"unsigned":1')
    wrong("a file under .git", lambda: (os.mkdir(f"{model}/.git"), write(".git/hook", b"x")),
          lambda: shutil.rmtree(f"{model}/.git"), 4, ".git/hook")
    wrong("a symbolic link", lambda: os.symlink("/etc/passwd", f"{model}/l"),
          lambda: os.remove(f"{model}/l"), 4, '"link"')
    wrong("a FIFO", lambda: os.mkfifo(f"{model}/p"), lambda: os.remove(f"{model}/p"), 4, '"special"')
    wrong("a signature cut short", lambda: os.truncate(f"{model}.sig", 900),
          lambda: run("sign", model, "--key", f"{dir}/k.pem"), 3, "E_TRUNCATED")
    write("extra", b"")
    check("what is allowed to be unsigned is let through",
          run("verify", model, *trust, "--allow-unsigned", "extra")[0] == 0)
    check("but nothing that only begins like it",
          run("verify", model, *trust, "--allow-unsigned", "ext")[0] == 4)
    os.remove(f"{model}/extra")
    check("no trust given is a mistake of the call", run("verify", model)[0] == 2)
    os.symlink("/etc/passwd", f"{model}/l")
    os.remove(f"{model}.sig")
    check("a model with a link is not signed", run("sign", model, "--key", f"{dir}/k.pem")[0] == 3
          and not os.path.exists(f"{model}.sig"))
    os.remove(f"{model}/l")
    os.chmod(f"{dir}/k.pem", 0o644)
    check("a key that others can read is refused", run("sign", model, "--key", f"{dir}/k.pem")[0] == 3)


def certificates(dir):
    """A root, a signer under it whose certificate ended, a timestamp authority."""
    def make(name, config, days, issuer=None):
        openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", f"{dir}/{name}.key")
        os.chmod(f"{dir}/{name}.key", 0o600)
        with open(f"{dir}/{name}.cnf", "w") as f:
            f.write(f"[req]\ndistinguished_name=d\nprompt=no\n[d]\nCN={name}\n[e]\n{config}\n")
        openssl("req", "-new", "-key", f"{dir}/{name}.key", "-config", f"{dir}/{name}.cnf",
                "-out", f"{dir}/{name}.csr")
        by = ["-signkey", f"{dir}/{name}.key"] if issuer is None else \
             ["-CA", f"{dir}/{issuer}.pem", "-CAkey", f"{dir}/{issuer}.key", "-CAcreateserial"]
        openssl("x509", "-req", "-in", f"{dir}/{name}.csr", *by, "-days", str(days),
                "-extfile", f"{dir}/{name}.cnf", "-extensions", "e", "-out", f"{dir}/{name}.pem")

    make("root", "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign", 100)
    make("signer", "keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning", 100, "root")
    make("server", "keyUsage=critical,keyEncipherment\nextendedKeyUsage=serverAuth", 100, "root")
    make("tsa", "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping", 100,
         "root")
    model = f"{dir}/certified"
    make_model(model)
    code, out, err = run("sign", model, "--key", f"{dir}/signer.key", "--certificate",
                         f"{dir}/signer.pem")
    check("sign with a certificate", code == 0, err)
    roots = ["--roots", f"{dir}/root.pem"]
    code, out, _ = run("--json", "verify", model, *roots)
    check("verify by a chain", code == 0 and summary(out)["subject"] == "CN=signer")
    check("a key that is not the certificate's",
          run("sign", model, "--key", f"{dir}/tsa.key", "--certificate", f"{dir}/signer.pem",
              "--signature", f"{dir}/no.sig")[0] == 4)
    check("another root", run("verify", model, "--roots", f"{dir}/tsa.pem")[0] == 4)
    run("sign", model, "--key", f"{dir}/server.key", "--certificate", f"{dir}/server.pem",
        "--signature", f"{dir}/server.sig")
    check("a server's certificate does not sign models",
          run("verify", model, *roots, "--signature", f"{dir}/server.sig")[0] == 4)
    pins(dir, model, roots)
    timestamps(dir, model, roots)


def pins(dir, model, roots):
    der = subprocess.run(["openssl", "x509", "-in", f"{dir}/signer.pem", "-outform", "DER"],
                         check=True, capture_output=True).stdout
    import hashlib
    pin = hashlib.sha256(der).hexdigest()

    def register(text):
        with open(f"{dir}/signers.yml", "w") as f:
            f.write(text)
        return run("verify", model, *roots, "--signers", f"{dir}/signers.yml")

    check("a pinned certificate", register(
        f"signers:\n  - name: acme\n    certificate_sha256: {pin}\n")[0] == 0)
    check("one that is not pinned", register(
        f"signers:\n  - name: acme\n    certificate_sha256: \"{'0' * 64}\"\n")[0] == 1)
    code, _, err = register(f"revoked:\n  - id: {pin}\n    reason: laptop stolen\n")
    check("a revoked one, with the reason", code == 1 and "laptop stolen" in err)
    code, _, err = register("signers:\n  - nam: x\n")
    check("a mistake in the register has its line", code == 3 and "line 2" in err, err)


def timestamps(dir, model, roots):
    with open(f"{model}.sig") as f:
        bundle = json.load(f)
    signature = base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"])
    with open(f"{dir}/sig.bin", "wb") as f:
        f.write(signature)
    with open(f"{dir}/tsa.conf", "w") as f:
        f.write("[tsa]\ndefault_tsa=t\n[t]\nserial=%s/serial\ncrypto_device=builtin\n"
                "signer_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256,sha384\n"
                "accuracy=secs:1\nordering=no\ntsa_name=no\ness_cert_id_chain=no\n" % dir)
    with open(f"{dir}/serial", "w") as f:
        f.write("01\n")
    openssl("ts", "-query", "-data", f"{dir}/sig.bin", "-sha256", "-cert", "-out", f"{dir}/q.tsq")
    openssl("ts", "-reply", "-queryfile", f"{dir}/q.tsq", "-config", f"{dir}/tsa.conf",
            "-section", "t", "-signer", f"{dir}/tsa.pem", "-inkey", f"{dir}/tsa.key",
            "-out", f"{dir}/r.tsr")
    with open(f"{dir}/r.tsr", "rb") as f:
        stamp = f.read()

    def stamped(name, der):
        material = dict(bundle["verificationMaterial"], timestampVerificationData={
            "rfc3161Timestamps": [{"signedTimestamp": base64.b64encode(der).decode()}]})
        with open(f"{dir}/{name}.sig", "w") as f:
            json.dump(dict(bundle, verificationMaterial=material), f)
        return run("--json", "verify", model, *roots, "--signature", f"{dir}/{name}.sig",
                   "--timestamp-roots", f"{dir}/root.pem")

    code, out, err = stamped("good", stamp)
    check("a timestamp is verified and its time given", code == 0 and
          summary(out).get("signed_at_s", 0) > 1_700_000_000, f"{code} {out} {err}")
    check("a damaged timestamp is refused", stamped("bad", stamp[:-1] + bytes([stamp[-1] ^ 1]))[0] == 4)
    check("what is no timestamp is refused", stamped("junk", b"\0\0\0")[0] == 3)
    with open(f"{dir}/sig.bin", "wb") as f:
        f.write(b"another signature")
    openssl("ts", "-query", "-data", f"{dir}/sig.bin", "-sha256", "-cert", "-out", f"{dir}/q.tsq")
    openssl("ts", "-reply", "-queryfile", f"{dir}/q.tsq", "-config", f"{dir}/tsa.conf",
            "-section", "t", "-signer", f"{dir}/tsa.pem", "-inkey", f"{dir}/tsa.key",
            "-out", f"{dir}/r.tsr")
    with open(f"{dir}/r.tsr", "rb") as f:
        check("a timestamp of another signature is refused", stamped("other", f.read())[0] == 4)


def vectors(dir):
    global skipped
    if not os.path.isdir(VECTORS):
        print("skipped: no vectors of the reference implementation (set SL_SHARED)")
        skipped += 1
        return
    model = f"{dir}/vectors"
    shutil.copytree(f"{VECTORS}/model", model)
    for curve in ("prime256v1", "secp384r1", "secp521r1"):
        for maker in ("sig", "c"):
            check(f"vector {maker}_{curve}", run(
                "verify", model, "--signature", f"{VECTORS}/{maker}_{curve}.json", "--key",
                f"{VECTORS}/k_{curve}.pub")[0] == 0)
    for name in ("sig_cert", "c_cert"):
        check(f"vector {name}", run("verify", model, "--signature", f"{VECTORS}/{name}.json",
                                    "--roots", f"{VECTORS}/root.pem")[0] == 0)
    for name, status in (("x1", 3), ("x2", 0), ("x7", 0)):
        check(f"vector {name}", run("verify", model, "--signature", f"{VECTORS}/{name}.json",
                                    "--key", f"{VECTORS}/k_prime256v1.pub")[0] == status)


def reference(dir):
    global skipped
    python = os.environ.get("MODEL_SIGNING_PYTHON", sys.executable)
    has = subprocess.run([python, "-c", "import model_signing"], capture_output=True, timeout=60)
    if has.returncode != 0:
        print("skipped: the reference implementation is not installed (pip install model-signing)")
        skipped += 1
        return
    cli = [python, "-c", "from model_signing._cli import main; main()"]
    model = f"{dir}/shared-model"
    make_model(model)
    for curve in ("P-256", "P-384", "P-521"):
        key = f"{dir}/{curve}.pem"
        run("sign", "--new-key", key, "--curve", curve)
        run("sign", model, "--key", key, "--signature", f"{dir}/ours.sig")
        theirs = subprocess.run([*cli, "verify", "key", model, "--signature", f"{dir}/ours.sig",
                                 "--public_key", f"{key}.pub"], capture_output=True, timeout=60)
        check(f"the reference accepts our {curve}", theirs.returncode == 0, theirs.stdout)
        subprocess.run([*cli, "sign", "key", model, "--private_key", key, "--signature",
                        f"{dir}/theirs.sig"], check=True, capture_output=True, timeout=60)
        check(f"we accept the reference's {curve}", run(
            "verify", model, "--signature", f"{dir}/theirs.sig", "--key", f"{key}.pub")[0] == 0)


with tempfile.TemporaryDirectory(prefix="stoplog-sign-") as work:
    tampering(work)
    certificates(work)
    vectors(work)
    reference(work)
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed else 0)
