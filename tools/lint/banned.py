"""Functions that do not belong in this tree, found outside comments and strings.

src/base/banned.h already stops most of them in the compiler; this also covers tools, tests, fuzz
targets and what a header alone cannot forbid.
"""
import re

import tree

BANNED = {
    "strcpy": "sl_buf or memcpy with a checked length", "strcat": "sl_buf_add",
    "strncpy": "memcpy with a checked length", "strncat": "sl_buf_add",
    "sprintf": "snprintf or sl_buf_addf", "vsprintf": "vsnprintf", "gets": "a bounded read",
    "atoi": "a checked conversion", "atol": "a checked conversion", "atof": "a checked conversion",
    "strtok": "views", "alloca": "an arena", "gmtime": "gmtime_r", "localtime": "localtime_r",
    "ctime": "strftime", "asctime": "strftime", "tmpnam": "mkstemp", "mktemp": "mkstemp",
    "system": "fork and exec", "popen": "fork and exec", "rand": "src/base/random.h",
    "srand": "src/base/random.h", "random": "src/base/random.h",
}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")

problems = []
for name in tree.files(".c", ".h"):
    if name.endswith("/banned.h"):
        continue
    code = tree.code_only(tree.read(name))
    for found in CALL.finditer(code):
        problems.append(f"{name}:{tree.line_of(code, found.start())}: {found.group(1)} is banned; "
                        f"use {BANNED[found.group(1)]}")
tree.finish(problems)
