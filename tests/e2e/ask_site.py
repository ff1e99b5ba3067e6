#!/usr/bin/env python3
"""The ask door in a whole site: several processes, several upstreams.

An upstream whose name nobody knows stops nothing; one that does not answer is passed over and, after
three failures, left alone, which the ledger tells; when it is back, one request finds that out. A killed
process of the door is missed by nobody. What a tool was is known after a restart.

    ask_site.py STOPLOG SOURCE_ROOT
"""
import json
import os
import signal
import sys

from ports import free_port
from whole_site import Site, passes, skip_without_nginx

STOPLOG, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


def states(site, upstream):
    return [leaf['state'] for leaf in site.leaves('ask.upstream') if leaf['upstream'] == upstream]


def a_dead_upstream_is_passed_over(site, key):
    for _ in range(4):
        answer = site.ask(key, 'Hello')
        assert answer == (200, 'stop', 'You said: Hello'), answer
    site.until(lambda: states(site, 'dead') == ['sick'] and states(site, 'nowhere') == ['sick'], 'the leaves')
    assert states(site, 'spare') == []


def one_that_comes_back_is_found_out(site, key, port):
    site.upstream(ROOT, port)
    log = site.file('model-%d.log' % port)
    site.until(lambda: site.ask(key, 'Hello')[0] == 200 and os.path.exists(log), 'an answer of the one that was dead')
    site.until(lambda: states(site, 'dead') == ['sick', 'healthy'], 'the leaf', 90)


def a_killed_process_is_missed_by_nobody(site, key):
    doors = [p for p in site.processes() if p['process'].startswith('ask.')]
    assert [p['process'] for p in doors] == ['ask.0', 'ask.1'], doors
    for victim in doors:
        os.kill(victim['pid'], signal.SIGKILL)
        for _ in range(5):  # the other one serves, whether or not this one is back
            assert site.ask(key, 'Hello')[0] == 200, victim
        site.until(site.serves, 'every process serves')
    pids = {p['process']: p['pid'] for p in site.processes()}
    assert all(pids[p['process']] != p['pid'] for p in doors), (pids, doors)


def with_tool(site, key, what, want):
    """Asks with a tool so described; the intent says whether it is new, and that it is not what it was."""
    status, body = site.request(key, 'POST', '/v1/chat/completions', json.dumps(
        {'model': 'scripted', 'messages': [{'role': 'user', 'content': 'Hello'}], 'tools': [
            {'type': 'function', 'function': {'name': 'lookup', 'description': what, 'parameters': {'type': 'object'}}}]}))
    assert status == 200, status
    mine = []
    site.until(lambda: mine.extend(leaf for leaf in site.leaves('ask.intent') if body['id'].endswith(leaf['crossing']))
               or mine, 'the leaf')
    leaf = mine[0]
    assert ('tools' in leaf, leaf['classes'].get('tool_changed', 0)) == want, (leaf, want)


def what_a_tool_was_is_known_after_a_restart(site, key):
    with_tool(site, key, 'finds a value', (True, 0))
    site.down()
    site.up()
    site.until_answers(key)
    with_tool(site, key, 'finds a value', (False, 0))
    with_tool(site, key, 'finds a value and mails it', (True, 1))


def main():
    skip_without_nginx()
    dead = free_port()
    with Site(STOPLOG) as site:
        site.make()
        _, spare = site.upstream(ROOT)
        site.configure([('nowhere', 'http://models.invalid/v1'), ('dead', 'http://127.0.0.1:%d/v1' % dead),
                        ('spare', 'http://127.0.0.1:%d/v1' % spare)], [('scripted', ['nowhere', 'dead', 'spare'])])
        site.up()
        site.create()
        site.until(site.serves, 'every process serves')
        key = site.principal('dana')
        site.until_answers(key)
        passes((a_dead_upstream_is_passed_over, site, key), (a_killed_process_is_missed_by_nobody, site, key),
               (one_that_comes_back_is_found_out, site, key, dead),
               (what_a_tool_was_is_known_after_a_restart, site, key))


if __name__ == '__main__':
    main()
