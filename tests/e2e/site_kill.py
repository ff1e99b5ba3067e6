#!/usr/bin/env python3
"""A whole site, and kill -9 of its processes at random, between and during commands. What commands were
told is compared with what the ledger holds and what the valves say.

    site_kill.py STOPLOG [KILLS [SEED]]

The oracle: an act that was acknowledged has its leaf, in the order of the acknowledgements; a compartment
whose closing was acknowledged is never seen open before somebody tried to open it; every process comes
back; the ledger verifies in the end and no closing act is left in the journal.
"""
import base64
import json
import os
import random
import signal
import subprocess
import sys
import time

from whole_site import Site

KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 12
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1
rng = random.Random(SEED)
problems = []


def settled(site, seconds=40):
    """What the site says once every process serves and the warden has folded the ledger."""
    end = time.time() + seconds
    while time.time() < end:
        lines = site.status()
        processes = [line for line in lines if 'process' in line]
        if lines and lines[-1]['summary']['state'] == 'open' and all(p['state'] == 'serving' for p in processes):
            return lines[-1]['summary'], processes
        time.sleep(0.1)
    problems.append('not every process came back: %s' % processes)
    return None, []


def valve(said):
    return {c['name']: c['valve'] for c in said['compartments']}.get('trial')


def statement(leaf):
    return json.loads(base64.b64decode(leaf['statement'] + '=='))


def history(all_leaves):
    """What the ledger says happened to the compartment, in order."""
    acts = []
    for leaf in all_leaves:
        if leaf['type'] == 'compartment.state' and leaf['state'] == 'closed':
            acts.append('close')
        elif leaf['type'] == 'action.approved' and statement(leaf)['action'] == 'compartment.open':
            acts.append('open')
    return acts


def in_order(wanted, found):
    rest = iter(found)
    return all(any(act == other for other in rest) for act in wanted)


def campaign(site):
    acknowledged = []
    may_be_open = True
    said, processes = settled(site)
    for number in range(KILLS):
        if not processes:
            return acknowledged
        victim = rng.choice(processes)
        act = rng.choice(['close', 'open'])
        arguments = ['compartment', act, 'trial'] + (['--key', site.key('alice')] if act == 'open' else [])
        child = subprocess.Popen([site.stoplog, '--site', site.folder, *arguments], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        time.sleep(rng.random() * 0.03)
        try:
            os.kill(victim['pid'], signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            done = child.wait(45)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            done = None
        if act == 'open':
            may_be_open = True  # acknowledged or not, it may have happened
        elif done == 0:
            may_be_open = False
        if done == 0:
            acknowledged.append(act)
        said, processes = settled(site)
        if said and not may_be_open and valve(said) != 'closed':
            problems.append('kill %d (%s): open although its closing was acknowledged'
                            % (number, victim['process']))
    return acknowledged


def main():
    with Site(sys.argv[1]) as site:
        site.make()
        site.up()
        settled(site)
        site.signed('compartment', 'create', 'trial')
        acknowledged = campaign(site)
        said, _ = settled(site)
        if said and said['journal_waiting'] != 0:
            problems.append('%d closing acts never reached the ledger' % said['journal_waiting'])
        if site.down() != 0:
            problems.append('the site did not go down')
        found = history(site.leaves())
        if not in_order(acknowledged, found):
            problems.append('acknowledged %s, the ledger has %s' % (acknowledged, found))
        site.run('ledger', 'verify')
        print('%d kills, %d acts acknowledged, %d in the ledger, seed %d'
              % (KILLS, len(acknowledged), len(found), SEED))
        print('%d passed, %d failed' % (0 if problems else 1, 1 if problems else 0), flush=True)
        assert not problems, '\n'.join(problems)


main()
