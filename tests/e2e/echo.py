#!/usr/bin/env python3
"""Recited records in a whole site: fifteen words of a record that a model says are compared with the sealed
record and cut before any of them leaves, other text passes, a process that does not answer stops nothing, and a
door whose index of records was lost does not serve.

    echo.py STOPLOG SOURCE_ROOT
"""
import json
import os
import signal
import sys
import time

from whole_site import Site, passes, skip_without_nginx

STOPLOG, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
NOTES = [
    'Slept badly on the ferry, blamed the herring, then walked nine miles home through sleet with a borrowed coat.',
    'Keeps two hives behind the chapel and swears the stings loosen her stiff wrist; declined gold salts twice, '
    'asked instead for liniment with camphor and a letter to the harbour board about the noise.',
    'Fainted while tuning a cello in the wet autumn; a walnut-sized knot below the clavicle was palpated and '
    'scrapings were sent to Uppsala before the second frost.',
    'His aunt keeps finches and blames the feathers, liquorice helps at dawn, the grey lozenges never did.',
]
FIFTEEN = ' '.join(NOTES[1].split()[2:17])
ORDINARY = 'The bread is baked, ships float, and trains were invented; the price of tea rose again in the spring.'


def bring_in(site):
    path = site.write('notes.csv', 'USUBJID,NOTE\n' + ''.join(
        '01-701-%d,"%s"\n' % (1015 + i, n) for i, n in enumerate(NOTES)))
    site.signed('grant', 'carl', 'trial', '--door', 'ingest', '--purpose', 'research', '--until', '1d')

    def admitted():
        told = site.run('ingest', 'trial', path, want=None)
        return bool(told) and 'error' not in told[-1]
    site.until(admitted, 'ingest')


def status(site, key):
    return site.ask(key, ORDINARY, wait_s=5)[0]


def other_text_passes(site, key):
    answer = site.ask(key, ORDINARY)
    assert answer == (200, 'stop', 'You said: ' + ORDINARY), answer
    compared = site.leaves('echo.compared')
    assert not compared, compared


def without_its_index_the_door_is_shut(site, key):
    index = os.path.join(site.folder, 'state/roster/trial:echo')
    os.rename(index, index + '.away')
    for p in site.processes():  # who has it in memory serves until the next leaf; who begins does not
        if p['process'].startswith('ask.'):
            try:
                os.kill(p['pid'], signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has seen for itself that the index is gone
    site.until(lambda: status(site, key) != 200, 'no answer')
    time.sleep(1)
    assert status(site, key) != 200
    os.rename(index + '.away', index)
    site.until(lambda: status(site, key) == 200, 'an answer again', 90)


def a_recited_record_is_compared_and_cut(site, _):
    """On a busy machine a comparison may come too late; the match alone decides then, and we ask again."""
    for i in range(6):
        status, reason, text = site.ask(site.principal('dana-%d' % i), 'Say: ' + FIFTEEN + ' Thank you.')
        assert status == 200, status
        try:
            site.until(lambda: site.leaves('echo.confirmed'), 'the leaf', 6)
            break
        except AssertionError:
            continue
    confirmed = site.leaves('echo.confirmed')
    assert confirmed and all(leaf['words'] >= 12 for leaf in confirmed), confirmed
    assert reason == 'content_filter', (reason, text)
    assert not any(word in text for word in ('chapel', 'swears', 'stings', 'loosen')), text
    assert site.leaves('echo.compared')
    assert 'chapel' not in json.dumps(site.leaves())


def who_does_not_answer_stops_nothing(site, _):
    key = site.principal('eve')
    confirmed = len(site.leaves('echo.confirmed'))
    pid = next(p['pid'] for p in site.processes() if p['process'] == 'confirm')
    os.kill(pid, signal.SIGSTOP)
    try:
        assert site.ask(key, FIFTEEN)[0] == 200
        assert len(site.leaves('echo.confirmed')) == confirmed
    finally:
        os.kill(pid, signal.SIGCONT)


def main():
    skip_without_nginx()
    with Site(STOPLOG) as site:
        site.make()
        _, port = site.upstream(ROOT)
        site.configure([('model', 'http://127.0.0.1:%d/v1' % port)], [('scripted', ['model'])])
        site.up()
        site.create()
        site.until(site.serves, 'every process serves')
        bring_in(site)
        key = site.principal('dana')
        site.until_answers(key)
        passes(*((test, site, key) for test in (
            other_text_passes, without_its_index_the_door_is_shut, a_recited_record_is_compared_and_cut,
            who_does_not_answer_stops_nothing)))


if __name__ == '__main__':
    main()
