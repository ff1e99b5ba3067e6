#!/usr/bin/env python3
"""The ask door in a whole site: several processes, several upstreams.

An upstream whose name nobody knows stops nothing; one that does not answer is passed over and, after
three failures, left alone, which the ledger tells; when it is back, one request finds that out. A killed
process of the door is missed by nobody.

    ask_site.py STOPLOG SOURCE_ROOT
"""
import http.client
import json
import os
import shutil
import signal
import sys
import tempfile
import time

from ports import free_port
from whole_site import Site, scripted_upstream

STOPLOG, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


def ask(site, key, text='Hello'):
    link = http.client.HTTPConnection('127.0.0.1', site.port, timeout=60)
    link.request('POST', '/v1/chat/completions', json.dumps({
        'model': 'scripted', 'messages': [{'role': 'user', 'content': text}]}),
        {'Authorization': 'Bearer ' + key, 'Content-Type': 'application/json'})
    answer = link.getresponse()
    body = json.loads(answer.read())
    link.close()
    return answer.status, body


def until(what, true, seconds=60):
    end = time.time() + seconds
    while not true():
        assert time.time() < end, 'never came: ' + what
        time.sleep(0.2)


def states(site, upstream):
    return [leaf['state'] for leaf in site.leaves()
            if leaf['type'] == 'ask.upstream' and leaf['upstream'] == upstream]


def a_dead_upstream_is_passed_over(site, key):
    for _ in range(4):
        status, body = ask(site, key)
        assert (status, body['choices'][0]['message']['content']) == (200, 'You said: Hello'), (status, body)
    until('the leaves', lambda: states(site, 'dead') == ['sick'] and states(site, 'nowhere') == ['sick'])
    assert states(site, 'spare') == []


def one_that_comes_back_is_found_out(site, key, port, log):
    model, _ = scripted_upstream(ROOT, log, port)
    try:
        until('an answer of the one that was dead', lambda: ask(site, key)[0] == 200 and os.path.exists(log))
        until('the leaf', lambda: states(site, 'dead') == ['sick', 'healthy'], 90)
    finally:
        model.kill()
        model.wait()


def a_killed_process_is_missed_by_nobody(site, key):
    doors = [p for p in site.processes() if p['process'].startswith('ask.')]
    assert [p['process'] for p in doors] == ['ask.0', 'ask.1'], doors
    for victim in doors:
        os.kill(victim['pid'], signal.SIGKILL)
        for _ in range(5):  # the other one serves, whether or not this one is back
            assert ask(site, key)[0] == 200, victim
        assert site.settle(), site.processes()
    pids = {p['process']: p['pid'] for p in site.processes()}
    assert all(pids[p['process']] != p['pid'] for p in doors), (pids, doors)


def main():
    if not os.path.exists('/usr/sbin/nginx'):
        print('nginx is not installed: skipped')
        return 77
    directory = tempfile.mkdtemp(prefix='stoplog-ask-site-')
    os.chmod(directory, 0o755)
    dead = free_port()
    spare, port = scripted_upstream(ROOT, os.path.join(directory, 'spare.log'))
    site = Site(STOPLOG, directory, [('nowhere', 'http://models.invalid/v1'),
                                     ('dead', 'http://127.0.0.1:%d/v1' % dead),
                                     ('spare', 'http://127.0.0.1:%d/v1' % port)])
    failed = 0
    try:
        site.up()
        key = site.prepare()
        site.settle()
        until('the grant at the door', lambda: ask(site, key)[0] == 200)
        for test in (lambda: a_dead_upstream_is_passed_over(site, key),
                     lambda: a_killed_process_is_missed_by_nobody(site, key),
                     lambda: one_that_comes_back_is_found_out(site, key, dead,
                                                              os.path.join(directory, 'dead.log'))):
            try:
                test()
            except (AssertionError, OSError, ValueError) as error:
                failed += 1
                print('FAILED', type(error).__name__, str(error)[:800], flush=True)
    finally:
        site.down()
        spare.kill()
        spare.wait()
    if not failed:
        shutil.rmtree(directory)
    print('%d passed, %d failed' % (3 - failed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
