#!/usr/bin/env python3
"""Recited records in a whole site: fifteen words of a record that a model says are compared with the sealed
record and cut before any of them leaves, other text passes, a process that does not answer stops nothing, and a
door whose index of records was lost does not serve.

    echo.py STOPLOG SOURCE_ROOT
"""
import http.client
import json
import os
import shutil
import signal
import sys
import tempfile
import time

from whole_site import Site, scripted_upstream

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
ORDINARY = 'Bread is baked, ships float, and trains were invented; the price of tea rose again in the spring.'


def ask(site, key, text, wait_s=60):
    link = http.client.HTTPConnection('127.0.0.1', site.port, timeout=wait_s)
    link.request('POST', '/v1/chat/completions', json.dumps({
        'model': 'scripted', 'messages': [{'role': 'user', 'content': text}]}),
        {'Authorization': 'Bearer ' + key, 'Content-Type': 'application/json'})
    answer = link.getresponse()
    body = json.loads(answer.read())
    link.close()
    if answer.status != 200:
        return answer.status, '', ''
    choice = body['choices'][0]
    return answer.status, choice['finish_reason'], choice['message'].get('content') or ''


def until(what, true, seconds=60):
    end = time.time() + seconds
    while not true():
        assert time.time() < end, 'never came: ' + what
        time.sleep(0.2)


def bring_in(site):
    path = os.path.join(site.directory, 'notes.csv')
    with open(path, 'w', encoding='utf-8') as out:
        out.write('USUBJID,NOTE\n' + ''.join('01-701-%d,"%s"\n' % (1015 + i, n) for i, n in enumerate(NOTES)))
    site.run('grant', 'carl', 'trial', '--door', 'ingest', '--purpose', 'research', '--until', '1d', '--key',
             site.operator)

    def admitted():
        told = site.run('ingest', 'trial', path, want=None)
        return bool(told) and 'error' not in told[-1]
    until('ingest', admitted)


def leaves_of(site, kind):
    return [leaf for leaf in site.leaves() if leaf['type'] == kind]


def other_text_passes(site, key):
    assert ask(site, key, ORDINARY) == (200, 'stop', 'You said: ' + ORDINARY)
    assert not leaves_of(site, 'echo.compared')


def without_its_index_the_door_is_shut(site, key):
    index = os.path.join(site.path, 'state/roster/trial:echo')
    os.rename(index, index + '.away')
    for p in site.processes():  # who has it in memory serves on; who begins does not
        if p['process'].startswith('ask.'):
            os.kill(p['pid'], signal.SIGKILL)
    until('no answer', lambda: ask_or_none(site, key) != 200)
    time.sleep(1)
    assert ask_or_none(site, key) != 200
    os.rename(index + '.away', index)
    until('an answer again', lambda: ask_or_none(site, key) == 200, 90)


def newcomer(site, name):
    """A principal of its own and its key: whoever got a record is contained."""
    signed = ['--key', site.operator]
    site.run('grant', name, 'trial', '--door', 'ask', '--purpose', 'research', '--until', '1d', *signed)
    key = site.run('key', 'issue', name, *signed)[-1]['summary']['key']
    until('the grant of ' + name, lambda: ask_or_none(site, key) == 200)
    return key


def a_recited_record_is_compared_and_cut(site, _):
    """On a busy machine a comparison may come too late; the match alone decides then, and we ask again."""
    for i in range(6):
        status, reason, text = ask(site, newcomer(site, 'dana-%d' % i), 'Say: ' + FIFTEEN + ' Thank you.')
        assert status == 200, status
        try:
            until('the leaf', lambda: leaves_of(site, 'echo.confirmed'), 6)
            break
        except AssertionError:
            continue
    confirmed = leaves_of(site, 'echo.confirmed')
    assert confirmed and all(leaf['words'] >= 12 for leaf in confirmed), confirmed
    assert reason == 'content_filter', (reason, text)
    assert not any(word in text for word in ('chapel', 'swears', 'stings', 'loosen')), text
    assert leaves_of(site, 'echo.compared')
    assert 'chapel' not in json.dumps(site.leaves())


def who_does_not_answer_stops_nothing(site, _):
    key = newcomer(site, 'eve')
    confirmed = len(leaves_of(site, 'echo.confirmed'))
    pid = next(p['pid'] for p in site.processes() if p['process'] == 'confirm')
    os.kill(pid, signal.SIGSTOP)
    try:
        assert ask(site, key, FIFTEEN)[0] == 200
        assert len(leaves_of(site, 'echo.confirmed')) == confirmed
    finally:
        os.kill(pid, signal.SIGCONT)


def ask_or_none(site, key):
    try:
        return ask(site, key, ORDINARY, 5)[0]
    except (OSError, ValueError, http.client.HTTPException):
        return None


def main():
    if not os.path.exists('/usr/sbin/nginx'):
        print('nginx is not installed: skipped')
        return 77
    directory = tempfile.mkdtemp(prefix='stoplog-echo-')
    os.chmod(directory, 0o755)
    model, port = scripted_upstream(ROOT, os.path.join(directory, 'model.log'))
    site = Site(STOPLOG, directory, [('model', 'http://127.0.0.1:%d/v1' % port)])
    failed = 0
    try:
        site.up()
        key = site.prepare()
        site.settle()
        bring_in(site)
        until('the grant at the door', lambda: ask_or_none(site, key) == 200)
        for test in (other_text_passes, without_its_index_the_door_is_shut, a_recited_record_is_compared_and_cut,
                     who_does_not_answer_stops_nothing):
            begun = time.time()
            try:
                test(site, key)
                print('passed', test.__name__, '%d s' % (time.time() - begun), flush=True)
            except (AssertionError, OSError, ValueError) as error:
                failed += 1
                print('FAILED', test.__name__, type(error).__name__, str(error)[:800], flush=True)
    finally:
        site.down()
        model.kill()
        model.wait()
    if not failed:
        shutil.rmtree(directory)
    else:
        print('kept:', directory)
    print('%d passed, %d failed' % (4 - failed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
