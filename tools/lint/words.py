"""Words that do not belong in the tree: marks of unfinished work, and paths of somebody's machine.

Names in the code and the documents are those of docs and ARCHITECTURE; a mark of unfinished work
belongs in an issue, where it is seen.
"""
import re

import tree

MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))")
PLACES = re.compile(r"(?<![\w.])/(home|root|work|Users)/[A-Za-z0-9_.-]+")
TEXT = (".c", ".h", ".def", ".py", ".sh", ".md", ".build", ".options", ".json", ".yml", ".yaml",
        ".1", ".5", ".7", ".html", ".js", ".css", ".txt", ".mjs", ".ts")
OWN = "tools/lint/words.py"

problems = []
for name in tree.files():
    if name == OWN or name.startswith(("fuzz/corpus/", "tests/vectors/", "LICENSE")):
        continue
    if not name.endswith(TEXT) and "." in name.rsplit("/", 1)[-1]:
        continue
    for number, line in enumerate(tree.read(name).split("\n"), 1):
        for found in MARKS.finditer(line):
            problems.append(f"{name}:{number}: {found.group(1)}: open an issue instead")
        for found in PLACES.finditer(line):
            problems.append(f"{name}:{number}: {found.group(0)} is a path of one machine")
tree.finish(problems)
