"""Ids in the data resolve: events are declared once, checks ask for declared events, every command has
its function, links between documents lead somewhere, and documents made from data are current."""
import json
import os
import re
import subprocess
import sys

import tree

QUERY = re.compile(r'^\s*query:\s*"((?:[^"\\]|\\.)*)"', re.M)
CHECK_ID = re.compile(r"^\s*- id:\s*(\S+)", re.M)
# A name behind a comparison or IN is a setting of the site, not an event.
REFERENCE = re.compile(r"(?<![<>=.])(?<![<>=] )(?<!IN )\b([a-z]+\.[a-z_]+)\b")
COMMAND = re.compile(r'^[CS]\("([^"]+)",\s*(\w+),', re.M)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")

problems = []
names = tree.files()


def events():
    """Event types with where they are declared; complains about doubles."""
    known = {}
    for name in names:
        if name.startswith("data/events/") and name.endswith(".json"):
            try:
                document = json.loads(tree.read(name))
            except ValueError as error:
                problems.append(f"{name}: {error}")
                continue
            for event in document["events"]:
                kind = event["type"]
                if kind in known:
                    problems.append(f"{name}: event {kind} is declared in {known[kind]} already")
                known[kind] = name
    return known


def checks(known):
    """Every event a check asks for exists; ids of checks are unique."""
    modules = {kind.split(".")[0] for kind in known}
    seen = {}
    for name in names:
        if not (name.startswith("data/checks/") and name.endswith((".yml", ".yaml"))):
            continue
        text = tree.read(name)
        for found in CHECK_ID.finditer(text):
            where = f"{name}:{tree.line_of(text, found.start())}"
            if found.group(1) in seen:
                problems.append(f"{where}: check {found.group(1)} stands in {seen[found.group(1)]}")
            seen[found.group(1)] = where
        for found in QUERY.finditer(text):
            where = f"{name}:{tree.line_of(text, found.start())}"
            bare = re.sub(r"'[^']*'", "''", found.group(1))
            for kind in REFERENCE.findall(bare):
                if kind.split(".")[0] in modules and kind not in known and kind not in seen:
                    problems.append(f"{where}: no event {kind} is declared in data/events")


def commands():
    if "src/cli/commands.def" not in names:
        return
    code = "\n".join(tree.read(n) for n in names if n.startswith("src/cli/") and n.endswith(".c"))
    seen = set()
    manual = tree.read("docs/man/stoplog.1") if "docs/man/stoplog.1" in names else ""
    for command, function in COMMAND.findall(tree.read("src/cli/commands.def")):
        if f"int {function}(" not in code:
            problems.append(f"src/cli/commands.def: '{command}' has no function {function} in src/cli")
        if command in seen:
            problems.append(f"src/cli/commands.def: '{command}' stands there twice")
        if manual and f".It Ic {command}" not in manual:
            text = f"docs/man/stoplog.1: says nothing about the command '{command}'"
            # While a command is being begun this only warns; before a merge it is an error.
            if os.environ.get("CI"):
                problems.append(text)
            else:
                print(text, file=sys.stderr)
        seen.add(command)


def links():
    for name in names:
        if not name.endswith(".md"):
            continue
        text = re.sub(r"```.*?```|`[^`\n]*`", lambda m: "\n" * m.group(0).count("\n"),
                      tree.read(name), flags=re.S)
        for found in LINK.finditer(text):
            target = found.group(1)
            if ":" in target:
                continue
            path = os.path.normpath(os.path.join(os.path.dirname(name), target))
            if not (tree.TOP / path).exists():
                problems.append(f"{name}:{tree.line_of(text, found.start())}: {target} leads nowhere")


def generated():
    sources = [n for n in names if n.startswith("data/events/") and n.endswith(".json")]
    if "docs/events.md" in names and sources:
        done = subprocess.run([sys.executable, "-B", "tools/gen-events.py", "--docs",
                               "docs/events.md", "--check"] + sources, cwd=tree.TOP, check=False,
                              capture_output=True, text=True)
        if done.returncode != 0:
            problems.append(done.stderr.strip() or "docs/events.md is not current")


checks(events())
commands()
links()
generated()
tree.finish(problems)
