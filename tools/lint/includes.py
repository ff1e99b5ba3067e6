"""The include rule: a module includes headers of modules above it in the list and its own.

Also: only src/crypto touches OpenSSL, the detectors and parsers of artefacts are pure (no files,
sockets or clocks), and a drill reaches the doors only as a stranger would.
"""
import re

import tree

ORDER = ["base", "crypto", "detect", "artefact", "ledger", "vault", "supply", "audit", "doors",
         "watch", "respond", "drill", "assure", "console", "host", "cli"]
RANK = {name: rank for rank, name in enumerate(ORDER)}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)
PURE = {"detect", "artefact"}
IMPURE = {"unistd.h", "fcntl.h", "time.h", "sys/socket.h", "sys/stat.h", "sys/epoll.h", "netdb.h"}
STRANGER = {"drill": {"doors", "vault"}}


def check(name):
    module = name.split("/")[1]
    if module not in RANK:
        if name.count("/") > 1:
            yield f"{name}:1: src/{module} is not in the list of modules in tools/lint/includes.py"
        return
    text = tree.read(name)
    for found in INCLUDE.finditer(text):
        where = f"{name}:{tree.line_of(text, found.start())}"
        quote, path = found.groups()
        target = path.split("/")[0]
        if quote == "<":
            if path.startswith("openssl/") and module != "crypto":
                yield f"{where}: only src/crypto includes <openssl/...>"
            if path in IMPURE and module in PURE:
                yield f"{where}: src/{module} is pure and may not include <{path}>"
        elif "/" in path and target in RANK:
            if RANK[target] > RANK[module]:
                yield f"{where}: src/{module} may not include {path}: src/{target} is below it"
            elif target in STRANGER.get(module, ()):
                yield f"{where}: src/{module} may not include {path}: it works from outside"


tree.finish([problem for name in tree.files(".c", ".h") if name.startswith("src/")
             for problem in check(name)])
