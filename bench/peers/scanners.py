#!/usr/bin/env python3
"""picklescan and modelscan beside stoplog scan: the same files, one after the other, in the same run.

usage: bench/peers/scanners.py [--stoplog PROGRAM] MANIFEST...

MANIFEST is a .jsonl whose lines have "path" (relative to it) and "label" ("mal", "ben", and others, told
apart). Each scanner runs as one process over all the files. Counted as stopped: picklescan, an issue or an
error of its reader; modelscan, an issue of any severity; stoplog, dangerous or malformed (unknown is held for
a person and counted apart). What a scanner has no format for passes, as it would in use. A peer that is not
installed is skipped with a message: python3 -m pip install picklescan modelscan (they are of this Python).
Never judges; no file is loaded by anything. Times are of the processor.
"""
import argparse
import contextlib
import io
import json
import logging
import os
import resource
import subprocess
from collections import Counter, defaultdict


def processor(who):
    """Seconds of processor time: what others do on the machine does not count."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def read(manifests):
    rows = []
    for manifest in manifests:
        with open(manifest, encoding='utf-8') as lines:
            for line in lines:
                row = json.loads(line)
                rows.append((os.path.join(os.path.dirname(os.path.abspath(manifest)), row['path']), row['label']))
    return [row for row in rows if os.path.isfile(row[0])]


def quietly(function, path):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            return function(path)
        except Exception:  # a scanner that falls over did not let the file pass
            return 'stopped'


def each(function, paths):
    logging.disable(logging.CRITICAL)
    quietly(function, paths[0])  # its modules are loaded before the clock starts
    start = processor(resource.RUSAGE_SELF)
    found = [quietly(function, path) for path in paths]
    return found, processor(resource.RUSAGE_SELF) - start


def picklescan(paths):
    from picklescan.scanner import scan_file_path

    def one(path):
        result = scan_file_path(path)
        return 'stopped' if result.issues_count or result.infected_files or result.scan_err else 'passed'
    return each(one, paths)


def modelscan(paths):
    from modelscan.modelscan import ModelScan
    scanner = ModelScan()

    def one(path):
        return 'stopped' if scanner.scan(path)['summary']['total_issues'] else 'passed'
    return each(one, paths)


def stoplog(program, paths):
    start = processor(resource.RUSAGE_CHILDREN)
    done = subprocess.run([program, 'scan', '--json', *paths], capture_output=True, text=True, check=False)
    took = processor(resource.RUSAGE_CHILDREN) - start
    word = {'clean': 'passed', 'unknown': 'held', 'malformed': 'stopped', 'dangerous': 'stopped'}
    classes = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        if 'path' in row:
            classes[row['path']] = word[row['class']]
    return [classes.get(path, 'stopped') for path in paths], took


def main():
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--stoplog', default=os.path.join(top, 'build', 'stoplog'))
    parser.add_argument('manifests', nargs='+')
    options = parser.parse_args()
    rows = read(options.manifests)
    paths = [path for path, _ in rows]
    labels = sorted({label for _, label in rows})
    print('%d files, load %.1f' % (len(rows), os.getloadavg()[0]))
    ours = None
    for name, run in (('stoplog', lambda p: stoplog(options.stoplog, p)), ('picklescan', picklescan),
                      ('modelscan', modelscan)):
        try:
            found, took = run(paths)
        except ImportError as missing:
            print('%-12s skipped: %s (python3 -m pip install %s)' % (name, missing, name))
            continue
        ours = ours or took
        counts = defaultdict(Counter)
        for (_, label), word in zip(rows, found):
            counts[label][word] += 1
        told = ', '.join('%s %d of %d stopped%s' % (
            label, counts[label]['stopped'], sum(counts[label].values()),
            ' and %d held' % counts[label]['held'] if counts[label]['held'] else '') for label in labels)
        print('%-12s %6.2f s of processor, %5.1f times stoplog; %s' % (name, took, took / ours, told))


main()
