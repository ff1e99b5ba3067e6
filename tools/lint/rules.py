"""Every rule of the scan has a test that wants it: a rule that nothing produces is a promise that nobody keeps.

A C test names it (SL_RULE_ID), a Python test by its name in quotes. Words of a test that wants it absent do not count.
"""
import re

import tree

RULE = re.compile(r'^R\((\w+), "([\w.]+)"', re.M)
ABSENT = re.compile(r"assert_false\([^;]*;|\bnot in \([^)]*\)|\bany\(x in rules for x in \([^)]*\)")
# What no test can bring about without guessing, with the reason.
NOT_TRIED = {
    "scan.time": "a worker's time is at least half a minute",
}

problems = []
known = RULE.findall(tree.read("src/artefact/rules.def"))
tests = "\n".join(ABSENT.sub("", tree.read(name)) for name in tree.files(".c", ".h", ".py") if name.startswith("tests/"))
for rule, name in known:
    wanted = re.search(rf'\bSL_RULE_{rule}\b|"{re.escape(name)}"', tests) is not None
    if not wanted and name not in NOT_TRIED:
        problems.append(f"src/artefact/rules.def:1: no test wants the rule {name}; add a row to a table of tests/artefact"
                        " or tests/supply")
    if wanted and name in NOT_TRIED:
        problems.append(f"tools/lint/rules.py:1: {name} is tested now; take it from NOT_TRIED")
tree.finish(problems)
