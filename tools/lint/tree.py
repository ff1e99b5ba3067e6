"""Shared by the lints: which files belong to the tree, and reporting."""
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
COMMENT_OR_STRING = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(*suffixes):
    """Paths of the tree, relative to its top, without builds; tracked and new ones alike."""
    done = subprocess.run(["git", "-C", str(TOP), "ls-files", "-z", "--cached", "--others",
                           "--exclude-standard"], check=False, capture_output=True, text=True)
    if done.returncode == 0:
        names = done.stdout.split("\0")
    else:
        names = []
        for root, dirs, found in os.walk(TOP):
            dirs[:] = [d for d in dirs if d != ".git" and not d.startswith("build")]
            names += [os.path.relpath(os.path.join(root, f), TOP) for f in found]
    return sorted(n for n in names if n and (not suffixes or n.endswith(suffixes))
                  and (TOP / n).is_file())


def read(name):
    return (TOP / name).read_text(encoding="utf-8", errors="replace")


def code_only(text):
    """The text with comments and the insides of literals blanked, line numbers kept."""
    def blank(match):
        found = match.group(0)
        inner = "".join(c if c == "\n" else " " for c in found)
        return inner if found[0] == "/" else found[0] + inner[1:-1] + found[-1]
    return COMMENT_OR_STRING.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def finish(problems):
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)
