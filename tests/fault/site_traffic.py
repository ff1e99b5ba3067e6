#!/usr/bin/env python3
"""A whole site under traffic, and kill -9 of its processes at random: each of them, and now and then the
supervisor with all. Afterwards four accounts of the same crossings must tell one story: what clients
asked and got, what the model server saw, what the door wrote into the ledger, and what egress counted.

    site_traffic.py STOPLOG SOURCE_ROOT [KILLS [SEED]]

The oracle (tests/e2e/oracle.py): nothing reached the model server without an intent, no answer was given
without its leaves, no outcome admits less than the client got. Beyond it, here: in the end every intent
has an outcome (unknown for what was cut off), the counts of door and egress agree minute by minute, every
process serves again, and the ledger verifies.
"""
import collections
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

STOPLOG, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 50
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else int(time.time())
sys.path.insert(0, os.path.join(ROOT, 'tests/e2e'))
from oracle import judge  # noqa: E402

CLIENTS = 4
SITE_EVERY = 12  # one kill in so many takes the supervisor, and with it the site


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Site:
    def __init__(self, directory):
        self.directory = directory
        self.path = os.path.join(directory, 'site')
        self.log = os.path.join(directory, 'up.log')
        self.port = free_port()
        self.operator = os.path.join(directory, 'operator.pem')
        self.accept = []
        self.supervisor = None
        self.model = None
        upstream = free_port()
        self.model = subprocess.Popen(
            [sys.executable, ROOT + '/tools/scripted-upstream/scripted-upstream', '--listen',
             '127.0.0.1:%d' % upstream, '--log', os.path.join(directory, 'model.log'), '--delay-ms', '1'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        public = self.run('operator', 'key', self.operator)[-1]['summary']['public_key']
        self.run('init', '--operator', 'ada=' + public)
        with open(os.path.join(self.path, 'config.yml'), 'w', encoding='utf-8') as out:
            out.write('front:\n  listen: "127.0.0.1:%d"\n'
                      'egress:\n  upstreams:\n    - name: main\n      url: "http://127.0.0.1:%d/v1"\n'
                      'ask:\n  processes: 2\n  models:\n    - name: scripted\n      upstreams: [main]\n'
                      '      compartments: [trial]\n' % (self.port, upstream))

    def run(self, *arguments, want=0, wait_s=60):
        done = subprocess.run([STOPLOG, '--site', self.path, '--json', *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=wait_s, check=False)
        if want is not None and done.returncode != want:
            raise SystemExit('%s: status %d\n%s%s' % (' '.join(arguments), done.returncode,
                                                     done.stdout.decode()[-2000:], done.stderr.decode()[-2000:]))
        return [json.loads(line) for line in done.stdout.decode().splitlines() if line.startswith('{')]

    def up(self):
        """Starts the site; what this machine cannot give is accepted by name."""
        for _ in range(20):
            at = os.path.getsize(self.log) if os.path.exists(self.log) else 0
            with open(self.log, 'ab') as out:
                self.supervisor = subprocess.Popen([STOPLOG, '--site', self.path, 'up', *self.accept],
                                                   stdout=out, stderr=out)
            text = ''
            while 'the site is up' not in text and self.supervisor.poll() is None:
                time.sleep(0.05)
                with open(self.log, encoding='utf-8') as source:
                    source.seek(at)
                    text = source.read()
            if 'the site is up' in text:
                return
            missing = set(re.findall(r'--accept-missing ([a-z-]+)', text)) - set(self.accept)
            if not missing:
                raise SystemExit('the site did not come up:\n' + text[-3000:])
            for layer in sorted(missing):
                self.accept += ['--accept-missing', layer]
        raise SystemExit('the site did not come up')

    def prepare(self):
        signed = ['--key', self.operator]
        self.run('compartment', 'create', 'trial', *signed)
        self.run('grant', 'dana', 'trial', '--door', 'ask', '--purpose', 'research', '--until', '1d', *signed)
        return self.run('key', 'issue', 'dana', *signed)[-1]['summary']['key']

    def processes(self):
        """Those that serve now; nothing when nobody can be asked."""
        try:
            lines = self.run('status', want=None, wait_s=20)
        except subprocess.TimeoutExpired:
            return []
        return [line for line in lines if 'process' in line]

    def settle(self, seconds=60):
        end = time.time() + seconds
        while time.time() < end:
            found = self.processes()
            if found and all(p['state'] == 'serving' for p in found):
                return True
            time.sleep(0.2)
        return False

    def kill_site(self):
        self.supervisor.kill()
        self.supervisor.wait()
        self.up()

    def leaves(self):
        """In the ledger's order, the event's own members and fields lifted beside each other."""
        found = []
        for line in self.run('ledger', 'export', wait_s=300):
            if 'leaf' in line:
                event = line['leaf']['event']
                found.append(dict(event, **event.get('fields', {})))
        return found

    def down(self):
        if self.supervisor is not None and self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
            try:
                self.supervisor.wait(60)
            except subprocess.TimeoutExpired:
                self.supervisor.kill()
                self.supervisor.wait()
        self.model.kill()
        self.model.wait()


class Client(threading.Thread):
    """Asks without a pause and writes down what reached it."""

    def __init__(self, port, key, number, stop):
        super().__init__()
        self.port, self.key, self.number, self.stop, self.records = port, key, number, stop, []

    def run(self):
        n = 0
        while not self.stop.is_set():
            record = {'id': '%d-%d' % (self.number, n), 'receipt': None, 'complete': False, 'bytes': 0,
                      'status': None}
            try:
                self.ask(record, streamed=n % 3 != 0)
            except (OSError, http.client.HTTPException, ValueError):
                pass
            if not record['complete']:
                time.sleep(0.02)
            self.records.append(record)
            n += 1

    def ask(self, record, streamed):
        link = http.client.HTTPConnection('127.0.0.1', self.port, timeout=8)
        try:
            text = 'request %s asks for its words back, please, all of them' % record['id']
            link.request('POST', '/v1/chat/completions', json.dumps({
                'model': 'scripted', 'stream': streamed, 'messages': [{'role': 'user', 'content': text}]}),
                {'Authorization': 'Bearer ' + self.key, 'Content-Type': 'application/json'})
            answer = link.getresponse()
            record['status'] = answer.status
            receipt = answer.getheader('x-stoplog-receipt')
            if receipt is not None:
                record['receipt'] = int(receipt.rsplit('/', 1)[1])
            if answer.status != 200:
                answer.read()
            elif streamed:
                self.read_stream(answer, record)
            else:
                message = json.loads(answer.read())['choices'][0]['message']
                record['bytes'] = len(message['content'].encode())
                record['complete'] = True
        finally:
            link.close()

    @staticmethod
    def read_stream(answer, record):
        for line in answer:
            if line == b'data: [DONE]\n':
                record['complete'] = True
            elif line.startswith(b'data: {'):
                for choice in json.loads(line[6:]).get('choices', []):
                    record['bytes'] += len((choice['delta'].get('content') or '').encode())


def kill_at_random(site, chance):
    killed = collections.Counter()
    while sum(killed.values()) < KILLS:
        time.sleep(chance.uniform(0.02, 0.4))
        if chance.randrange(SITE_EVERY) == 0:
            site.kill_site()
            killed['site'] += 1
            continue
        serving = [p for p in site.processes() if p['state'] == 'serving' and p['pid'] > 0]
        if serving:
            victim = chance.choice(serving)
            try:
                os.kill(victim['pid'], signal.SIGKILL)
                killed[victim['process']] += 1
            except ProcessLookupError:
                pass
        elif site.supervisor.poll() is not None:
            raise SystemExit('the supervisor ended by itself: %d' % site.supervisor.returncode)
    return killed


def under_load(site, key):
    stop = threading.Event()
    clients = [Client(site.port, key, number, stop) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        killed = kill_at_random(site, random.Random(SEED))
        site.settle()
        time.sleep(2)
    finally:
        stop.set()
        for client in clients:
            client.join()
    return killed, [record for client in clients for record in client.records]


def count_problems(leaves):
    """Minute by minute, door and egress; what is not told yet is left to `wait_for_counts`."""
    sides = collections.defaultdict(lambda: [0, 0])
    for leaf in leaves:
        if leaf['type'] in ('door.counted', 'egress.counted') and leaf.get('door') == 'ask':
            sides[leaf['from_s']][leaf['type'] == 'egress.counted'] += leaf['count']
    return ['minute %d: the door counted %d, egress %d' % (at, door, egress)
            for at, (door, egress) in sorted(sides.items()) if door != egress], sum(d for d, _ in sides.values())


def wait_for_counts(site, last_s, seconds=150):
    """Until the minute of the last request was told by both, and what is in doubt was settled."""
    end = time.time() + seconds
    while time.time() < end:
        leaves = site.leaves()
        told = {(leaf['type'], leaf['from_s']) for leaf in leaves if leaf['type'].endswith('.counted')}
        minute = int(last_s) // 60 * 60
        if ('door.counted', minute) in told and ('egress.counted', minute) in told:
            if not count_problems(leaves)[0]:
                break
        time.sleep(3)
    return site.leaves()


def check(site, records, leaves):
    with open(os.path.join(site.directory, 'model.log'), encoding='utf-8') as lines:
        upstream = [{'id': json.loads(line)['body']['messages'][-1]['content'].split()[1]} for line in lines]
    for record in records:
        receipt = record['receipt']
        if receipt is not None and record['status'] != 200 and leaves[receipt]['type'] == 'ask.refused':
            record['receipt'] = None
    wrong = judge(records, upstream, leaves, killed=True)
    ended = {leaf['crossing'] for leaf in leaves if leaf['type'] == 'ask.outcome'}
    begun = {leaf['crossing'] for leaf in leaves if leaf['type'] == 'ask.intent'}
    wrong += ['crossing %s has no outcome in the end' % crossing for crossing in sorted(begun - ended)]
    differing, forwarded = count_problems(leaves)
    wrong += differing
    if forwarded < len(upstream):
        wrong.append('%d requests reached the model server and %d were counted' % (len(upstream), forwarded))
    unknown = sum(leaf['type'] == 'ask.outcome' and leaf['outcome'] == 'unknown' for leaf in leaves)
    complete = sum(record['complete'] for record in records)
    print('%d requests, %d answered in full, %d at the model server, %d forwarded by count, %d intents, '
          '%d outcomes unknown, %d leaves' % (len(records), complete, len(upstream), forwarded, len(begun),
                                              unknown, len(leaves)))
    if complete == 0:
        wrong.append('nothing was answered in full: the campaign showed nothing')
    return wrong


def main():
    if not os.path.exists('/usr/sbin/nginx'):
        print('nginx is not installed: skipped')
        return 77
    directory = tempfile.mkdtemp(prefix='stoplog-traffic-')
    os.chmod(directory, 0o755)
    site = Site(directory)
    wrong = ['it did not come to an end']
    try:
        site.up()
        key = site.prepare()
        site.settle()
        killed, records = under_load(site, key)
        print('seed %d: killed %s' % (SEED, dict(sorted(killed.items()))), flush=True)
        leaves = wait_for_counts(site, time.time())
        wrong = check(site, records, leaves)
        if not site.settle():
            wrong.append('not every process came back: %s' % site.processes())
    finally:
        site.down()
    verified = subprocess.run([STOPLOG, '--site', site.path, 'ledger', 'verify'], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if verified.returncode != 0:
        wrong.append('ledger verify: %d %s' % (verified.returncode, verified.stdout.decode()))
    for sentence in wrong[:40]:
        print('  ' + sentence)
    if wrong:
        print('  kept: ' + directory)
    else:
        shutil.rmtree(directory)
    print('%d passed, %d failed' % (0 if wrong else 1, 1 if wrong else 0))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
