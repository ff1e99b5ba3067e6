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
import signal
import sys
import threading
import time

STOPLOG, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 50
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else int(time.time())
sys.path.insert(0, os.path.join(ROOT, 'tests/e2e'))
from oracle import judge  # noqa: E402
from whole_site import Site, skip_without_nginx  # noqa: E402

CLIENTS = 4
SITE_EVERY = 12  # one kill in so many takes the supervisor, and with it the site


def word_of(number):
    """A name for a request in which no detector sees an identifier: words, no digits."""
    words = ('visit', 'dose', 'week', 'note', 'plan', 'test', 'hour', 'walk', 'meal', 'rest')
    return '-'.join(words[int(digit)] for digit in str(number))


class Client(threading.Thread):
    """Asks without a pause and writes down what reached it."""

    def __init__(self, port, key, number, stop):
        super().__init__()
        self.port, self.key, self.number, self.stop, self.records = port, key, number, stop, []

    def run(self):
        n = 0
        while not self.stop.is_set():
            record = {'id': word_of(self.number * 1000000 + n), 'receipt': None, 'complete': False, 'bytes': 0,
                      'status': None, 'cut': False}
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
                choice = json.loads(answer.read())['choices'][0]
                record['bytes'] = len((choice['message']['content'] or '').encode())
                record['cut'] = choice['finish_reason'] == 'content_filter'
                record['complete'] = not record['cut']
        finally:
            link.close()

    @staticmethod
    def read_stream(answer, record):
        """A cut stream comes to a proper end too: the door writes `content_filter` and closes it. The
        doors cut what runs when the warden's word is missing, and here the warden is killed as well."""
        for line in answer:
            if line == b'data: [DONE]\n':
                record['complete'] = not record['cut']
            elif line.startswith(b'data: {'):
                for choice in json.loads(line[6:]).get('choices', []):
                    record['bytes'] += len((choice['delta'].get('content') or '').encode())
                    record['cut'] |= choice.get('finish_reason') == 'content_filter'


def kill_at_random(site, chance):
    killed = collections.Counter()
    while sum(killed.values()) < KILLS:
        time.sleep(chance.uniform(0.02, 0.4))
        if chance.randrange(SITE_EVERY) == 0:
            site.kill()
            site.up()
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
        site.until(site.serves, 'every process serves')
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


def told_otherwise(records, leaves):
    """(request, outcome) where the client read `content_filter` and the ledger tells another story."""
    outcomes = {leaf['crossing']: leaf['outcome'] for leaf in leaves if leaf['type'] == 'ask.outcome'}
    for record in records:
        if record['cut'] and record['receipt'] is not None:
            outcome = outcomes.get(leaves[record['receipt']]['crossing'])
            if outcome not in ('cut', 'unknown'):
                yield record['id'], outcome


def check(site, records, leaves):
    with open(site.model_log, encoding='utf-8') as lines:
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
    wrong += ['request %s was told that it was cut; its outcome says %s' % told
              for told in told_otherwise(records, leaves)]
    complete = sum(record['complete'] for record in records)
    cut = sum(record['cut'] for record in records)
    print('%d requests, %d answered in full, %d cut, %d at the model server, %d forwarded by count, %d intents, '
          '%d outcomes unknown, %d leaves' % (len(records), complete, cut, len(upstream), forwarded,
                                              len(begun), unknown, len(leaves)))
    if complete == 0:
        wrong.append('nothing was answered in full: the campaign showed nothing')
    return wrong


def main():
    skip_without_nginx()
    with Site(STOPLOG) as site:
        site.make()
        _, port = site.upstream(ROOT)
        site.model_log = site.file('model-%d.log' % port)
        site.configure([('main', 'http://127.0.0.1:%d/v1' % port)], [('scripted', ['main'])])
        site.up()
        site.create()
        key = site.principal('dana')
        site.until(site.serves, 'every process serves')
        killed, records = under_load(site, key)
        print('seed %d: killed %s' % (SEED, dict(sorted(killed.items()))), flush=True)
        leaves = wait_for_counts(site, time.time())
        wrong = check(site, records, leaves)
        if not site.serves():
            wrong.append('not every process came back: %s' % site.processes())
        site.down()
        wrong += site.crashes()
        site.run('ledger', 'verify')
        print('%d passed, %d failed' % (0 if wrong else 1, 1 if wrong else 0), flush=True)
        assert not wrong, '\n'.join(wrong[:40])


if __name__ == '__main__':
    main()
