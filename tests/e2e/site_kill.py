#!/usr/bin/env python3
"""A whole site, and kill -9 of its processes at random, between and during commands. What commands were
told is compared with what the ledger holds and what the valves say.

    site_kill.py STOPLOG [KILLS [SEED]]

The oracle: an act that was acknowledged has its leaf, in the order of the acknowledgements; a compartment
whose closing was acknowledged is never seen open before somebody tried to open it; every process comes
back; the ledger verifies in the end and no closing act is left in the journal.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from ports import free_port

STOPLOG = os.path.abspath(sys.argv[1])
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 12
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1
DIR = tempfile.mkdtemp(prefix='stoplog-kill-')
SITE = os.path.join(DIR, 'site')
KEY = os.path.join(DIR, 'operator.pem')
rng = random.Random(SEED)
problems = []


def command(*arguments, wait_s=40):
    done = subprocess.run([STOPLOG, '--site', SITE, '--json', *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=wait_s)
    lines = [json.loads(line) for line in done.stdout.decode().splitlines() if line.startswith('{')]
    return done.returncode, lines


def make_site():
    subprocess.run(['openssl', 'genpkey', '-algorithm', 'ed25519', '-out', KEY], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    public = subprocess.run(['openssl', 'pkey', '-in', KEY, '-pubout'], check=True, stdout=subprocess.PIPE)
    with open(KEY + '.pub', 'wb') as out:
        out.write(public.stdout)
    status, _ = command('init', '--operator', 'alice=' + KEY + '.pub')
    assert status == 0, 'init: %d' % status
    path = os.path.join(SITE, 'config.yml')
    text = open(path).read().replace('127.0.0.1:8443', '127.0.0.1:%d' % free_port())
    with open(path, 'w') as out:
        out.write(text)


def start():
    accept = [] if os.geteuid() == 0 else ['--accept-missing', 'uid', '--accept-missing', 'cgroup']
    return subprocess.Popen([STOPLOG, '--site', SITE, 'up', *accept], stdout=subprocess.DEVNULL,
                            stderr=open(os.path.join(DIR, 'up.log'), 'wb'))


def processes():
    status, lines = command('status')
    if status != 0:
        return None, []
    return lines[-1]['summary'], [line for line in lines if 'process' in line]


def settled(seconds=40):
    """Every process serves and the warden has folded the ledger."""
    end = time.time() + seconds
    while time.time() < end:
        site, all_of_them = processes()
        if site and site['state'] == 'open' and all(p['state'] == 'serving' for p in all_of_them):
            return site, all_of_them
        time.sleep(0.1)
    problems.append('not every process came back: %s' % all_of_them)
    return None, []


def valve(site):
    return {c['name']: c['valve'] for c in site['compartments']}.get('trial')


def leaves():
    status, lines = command('ledger', 'export')
    return [line['leaf'] for line in lines if 'leaf' in line]


def statement(leaf):
    import base64
    return json.loads(base64.b64decode(leaf['event']['fields']['statement'] + '=='))


def history(all_leaves):
    """What the ledger says happened to the compartment, in order."""
    acts = []
    for leaf in all_leaves:
        event = leaf['event']
        if event['type'] == 'compartment.state' and event['fields']['state'] == 'closed':
            acts.append('close')
        elif event['type'] == 'action.approved' and statement(leaf)['action'] == 'compartment.open':
            acts.append('open')
    return acts


def in_order(wanted, found):
    rest = iter(found)
    return all(any(act == other for other in rest) for act in wanted)


def campaign():
    acknowledged = []
    may_be_open = True
    site, all_of_them = settled()
    for number in range(KILLS):
        if not all_of_them:
            return acknowledged
        victim = rng.choice(all_of_them)
        act = rng.choice(['close', 'open'])
        arguments = ['compartment', act, 'trial'] + (['--key', KEY] if act == 'open' else [])
        child = subprocess.Popen([STOPLOG, '--site', SITE, *arguments], stdout=subprocess.DEVNULL,
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
        site, all_of_them = settled()
        if site and not may_be_open and valve(site) != 'closed':
            problems.append('kill %d (%s): open although its closing was acknowledged'
                            % (number, victim['process']))
    return acknowledged


def main():
    make_site()
    supervisor = start()
    try:
        settled()
        status, _ = command('compartment', 'create', 'trial', '--key', KEY)
        assert status == 0, 'create: %d' % status
        acknowledged = campaign()
        site, _ = settled()
        if site and site['journal_waiting'] != 0:
            problems.append('%d closing acts never reached the ledger' % site['journal_waiting'])
    finally:
        supervisor.send_signal(signal.SIGTERM)
        try:
            supervisor.wait(60)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            problems.append('the site did not go down')
    found = history(leaves())
    if not in_order(acknowledged, found):
        problems.append('acknowledged %s, the ledger has %s' % (acknowledged, found))
    status, lines = command('ledger', 'verify')
    if status != 0:
        problems.append('ledger verify: %d %s' % (status, lines))
    for problem in problems:
        print('PROBLEM', problem)
    if problems:
        print(open(os.path.join(DIR, 'up.log')).read()[-4000:])
    else:
        shutil.rmtree(DIR)
    print('%d kills, %d acts acknowledged, %d in the ledger, seed %d'
          % (KILLS, len(acknowledged), len(found), SEED))
    print('%d passed, %d failed' % (0 if problems else 1, 1 if problems else 0))
    return 1 if problems else 0


sys.exit(main())
