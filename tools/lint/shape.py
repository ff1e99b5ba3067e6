"""The shape of the tree: files open with a comment that says what they are for, every folder of
src/ has a README.md, every fuzz target a corpus and every corpus a target, lines end cleanly."""
import os
import pathlib
import sys

import tree

CORPUS_FILE_MAX = 128 * 1024

problems = []
names = tree.files()
folders = set()
for name in names:
    path = pathlib.PurePosixPath(name)
    if path.suffix in (".c", ".h") and path.parts[0] in ("src", "include", "tests", "fuzz", "bench"):
        text = tree.read(name)
        if not text.startswith("/*"):
            problems.append(f"{name}:1: a file starts with a comment: what it is for, what it must "
                            "never do")
        for number, line in enumerate(text.split("\n"), 1):
            if line.endswith((" ", "\t", "\r")) or "\t" in line:
                problems.append(f"{name}:{number}: tab or blank at the end of the line")
        if text and not text.endswith("\n"):
            problems.append(f"{name}: does not end with a new line")
    if path.parts[0] == "src" and len(path.parts) > 2:
        folders.add(path.parent)
for folder in sorted(folders):
    if str(folder / "README.md") not in names:
        text = f"{folder}: has no README.md (purpose, data flow, invariants, what is hard)"
        # While a module is being begun this only warns; before a merge it is an error.
        if os.environ.get("CI"):
            problems.append(text)
        else:
            print(text, file=sys.stderr)

targets = {n[len("fuzz/fuzz_"):-2] for n in names if n.startswith("fuzz/fuzz_") and n.endswith(".c")}
corpora = {}
for name in names:
    if name.startswith("fuzz/corpus/"):
        parts = name.split("/")
        corpora.setdefault(parts[2], []).append(name)
        if (tree.TOP / name).stat().st_size > CORPUS_FILE_MAX:
            problems.append(f"{name}: a corpus file is at most {CORPUS_FILE_MAX} bytes")
for target in sorted(targets - set(corpora)):
    problems.append(f"fuzz/fuzz_{target}.c: has no corpus in fuzz/corpus/{target}/")
for corpus in sorted(set(corpora) - targets):
    problems.append(f"fuzz/corpus/{corpus}: has no target fuzz/fuzz_{corpus}.c")
tree.finish(problems)
