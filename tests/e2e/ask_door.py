#!/usr/bin/env python3
"""The ask door end to end: Debian's nginx in front and as egress, the door between them, the scripted
model server behind. What a client can see, what the model server saw and what the ledger says are
compared with each other.

    ask_door.py DOOR_ALONE SOURCE_ROOT
"""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from ports import free_port

DOOR, ROOT = sys.argv[1], sys.argv[2]
BODY_MAX = 1 << 20
DIR = tempfile.mkdtemp(prefix='stoplog-e2e-')
os.chmod(DIR, 0o755)
children = []


def path(name):
    return os.path.join(DIR, name)


PORT = free_port()


def start(*command, **more):
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(path('stderr'), 'ab'), **more)
    children.append(child)
    return child


def wait_for(what, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        if what():
            return
        time.sleep(0.02)
    raise SystemExit('not up in time: ' + open(path('stderr')).read())


class Door:
    """The door's process; it can be ended and started again with other limits."""

    def __init__(self):
        self.process = None
        self.start()

    def start(self, *limits):
        if os.path.exists(path('door.sock')):
            os.unlink(path('door.sock'))
        self.process = start(DOOR, 'serve', path('door.sock'), path('egress.sock'), path('ledger'), *limits)
        wait_for(lambda: connects(path('door.sock')))

    def restart(self, *limits):
        self.process.terminate()
        self.process.wait(20)
        self.start(*limits)

    def send_signal(self, number):
        self.process.send_signal(number)


def connects(where):
    """Whether somebody listens there: a path alone is made before that."""
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(where) == 0


def set_up():
    os.makedirs(path('run/no-files'))
    for name, arguments in (('front', [path('run'), '127.0.0.1:%d' % PORT, path('door.sock'), str(BODY_MAX)]),
                            ('egress', [path('run'), path('egress.sock'), path('count.sock'), path('up.sock')])):
        text = subprocess.run([DOOR, name] + arguments, check=True, stdout=subprocess.PIPE).stdout
        with open(path(name + '.conf'), 'wb') as out:
            out.write(text)
    start(sys.executable, ROOT + '/tools/scripted-upstream/scripted-upstream', '--listen',
          'unix:' + path('up.sock'), '--log', path('up.log'))
    wait_for(lambda: connects(path('up.sock')))
    for name in ('egress', 'front'):
        start('/usr/sbin/nginx', '-p', DIR, '-c', path(name + '.conf'))
    wait_for(lambda: connects(path('egress.sock')))
    door = Door()

    def front_up():
        with socket.socket() as s:
            return s.connect_ex(('127.0.0.1', PORT)) == 0
    wait_for(front_up)
    return door


def tear_down():
    for child in reversed(children):
        child.terminate()
    for child in children:
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
    shutil.rmtree(DIR, ignore_errors=True)


def body(text='Hello', model='scripted', **more):
    return json.dumps(dict({'model': model, 'messages': [{'role': 'user', 'content': text}]}, **more))


def ask(data, path_='/v1/chat/completions', method='POST', key='slg_test', headers=None, timeout=60):
    link = http.client.HTTPConnection('127.0.0.1', PORT, timeout=timeout)
    send = {'Content-Type': 'application/json'}
    if key:
        send['Authorization'] = 'Bearer ' + key
    send.update(headers or {})
    link.request(method, path_, data, send)
    answer = link.getresponse()
    text = answer.read().decode()
    link.close()
    return answer, text


def ledger():
    with open(path('ledger')) as lines:
        return [json.loads(line) for line in lines]


def leaves_after(n):
    return [leaf for leaf in ledger()[n:] if 'type' in leaf]


def seen_upstream():
    if not os.path.exists(path('up.log')):
        return []
    with open(path('up.log')) as lines:
        return [line for line in lines]


def content_of(stream):
    out = ''
    for line in stream.split('\n'):
        if line.startswith('data: {'):
            for choice in json.loads(line[6:]).get('choices', []):
                out += choice['delta'].get('content') or ''
    return out


def equal(got, want, what=''):
    assert got == want, '%s: got %r, wanted %r' % (what, got, want)


def a_whole_answer(door):
    n, m = len(ledger()), len(seen_upstream())
    answer, text = ask(body('Hello'))
    equal(answer.status, 200)
    equal(json.loads(text)['choices'][0]['message']['content'], 'You said: Hello')
    assert answer.getheader('x-stoplog-receipt').startswith('example.org/log/')
    equal([leaf['type'] for leaf in leaves_after(n)], ['ask.intent', 'ask.outcome'])
    equal(leaves_after(n)[1]['fields']['outcome'], 'delivered')
    equal(len(seen_upstream()), m + 1)


def a_stream(door):
    answer, text = ask(body('Good morning to you all, dear colleagues', stream=True))
    equal(answer.status, 200)
    equal(answer.getheader('content-type'), 'text/event-stream')
    equal(content_of(text), 'You said: Good morning to you all, dear colleagues')
    assert 'data: [DONE]\n\n: stoplog outcome=delivered' in text, text


def identifiers_are_rewritten_and_restored(door):
    m = len(seen_upstream())
    answer, text = ask(body('Tell ALICE of MASKME', stream=True))
    equal(content_of(text), 'You said: Tell ALICE of [NAME]')
    log = ''.join(seen_upstream()[m:])
    assert 'BOBBY' in log and 'ALICE' not in log and 'MASKME' not in log, log


def a_refused_request(door):
    n = len(ledger())
    answer, text = ask(body('REFUSEME'))
    equal(answer.status, 403)
    equal(json.loads(text)['error']['code'], 'E_REFUSED')
    equal([leaf['type'] for leaf in leaves_after(n)], ['ask.refused'])


def a_finding_cuts_the_stream(door):
    """The word stands in no request: the model server says the text backwards."""
    n = len(ledger())
    answer, text = ask(body('here it comes CUTME and what follows'[::-1], model='scripted-reverse', stream=True))
    equal(answer.status, 200)
    assert 'here it comes' in content_of(text), text
    assert 'content_filter' in text and 'what follows' not in text, text
    equal(leaves_after(n)[-1]['fields']['outcome'], 'cut')


def bad_requests(door):
    """Each with its error for the client and its leaf; nothing of it passes."""
    cases = [
        ('{', 400, 'E_TRUNCATED'), ('[]', 400, 'E_MISSING_FIELD'),
        (body('x')[:-1] + ',"model":"b"}', 400, 'E_DUPLICATE'), (b'{"model":"\xff"}', 400, 'E_UTF8'),
        (body('x', unheard_of=1), 400, 'E_UNKNOWN_FIELD'), (body('x', web_search_options={}), 403, 'E_FEATURE'),
        (body('x', model='unknown'), 404, 'E_NOT_FOUND'),
        ('{"model":"scripted","messages":[{"role":"user","content":"\\ud800"}]}', 400, 'E_SYNTAX'),
        ('{"a":' * 5000, 400, 'E_DEPTH'), ('{"model":"scripted","messages":[]} x', 400, 'E_TRAILING'),
    ]
    m = len(seen_upstream())
    for data, status, code in cases:
        n = len(ledger())
        answer, text = ask(data)
        error = json.loads(text)['error']
        equal((answer.status, error['code']), (status, code), data[:60])
        last = leaves_after(n)
        equal([(leaf['type'], leaf['fields']['reason'], leaf['fields']['status']) for leaf in last],
              [('ask.refused', code, status)], data[:60])
        assert answer.getheader('x-stoplog-receipt'), data[:60]
    equal(len(seen_upstream()), m, 'something passed')


def strangers(door):
    """Before anybody is known a refusal is counted by source; it has a typed error all the same."""
    m = len(seen_upstream())
    for key, where, headers, method, status, code in (
            (None, '/v1/chat/completions', {}, 'POST', 401, 'E_KEY'),
            ('slg_other', '/v1/chat/completions', {}, 'POST', 401, 'E_KEY'),
            ('slg_test', '/v1/files', {}, 'POST', 404, 'E_NOT_FOUND'),
            ('slg_test', '/', {}, 'GET', 404, 'E_NOT_FOUND'),
            ('slg_test', '/v1/chat/completions', {}, 'GET', 405, 'E_METHOD'),
            ('slg_test', '/v1/chat/completions', {'Content-Encoding': 'gzip'}, 'POST', 415, 'E_ENCODING'),
            ('slg_test', '/v1/chat/completions', {'Content-Type': 'text/plain'}, 'POST', 415, 'E_ENCODING'),
            ('slg_test', '/v1/chat/completions', {'Upgrade': 'websocket', 'Connection': 'Upgrade'}, 'POST', 400,
             'E_USAGE')):
        n = len(ledger())
        answer, text = ask(body('x') if method == 'POST' else None, where, method, key, headers)
        equal((answer.status, json.loads(text)['error']['code']), (status, code), (where, headers))
        knocks = [line for line in ledger()[n:] if 'knock' in line]
        equal([(knock['knock'], knock['source']) for knock in knocks], [(code, '127.0.0.1')], (where, headers))
        equal(leaves_after(n), [], (where, headers))
    equal(len(seen_upstream()), m, 'something passed')


def raw(data, seconds=10):
    with socket.create_connection(('127.0.0.1', PORT), timeout=seconds) as link:
        link.sendall(data)
        got = b''
        try:
            while True:
                more = link.recv(65536)
                if not more:
                    break
                got += more
        except (socket.timeout, ConnectionResetError):
            pass
        return got


HEAD = ('POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer slg_test\r\n'
        'Content-Type: application/json\r\n')


def a_hundred_megabytes(door):
    n, m = len(ledger()), len(seen_upstream())
    got = raw((HEAD + 'Content-Length: 104857600\r\n\r\n').encode(), 3)
    assert b' 413 ' in got.split(b'\r\n')[0], got[:200]
    assert b'E_LIMIT' in got, got[:400]
    assert [line for line in ledger()[n:] if line.get('knock') == 'E_LIMIT'], ledger()[n:]
    # Chunked, so that no length is announced.
    chunk = b'10000\r\n' + b'x' * 65536 + b'\r\n'
    got = raw((HEAD + 'Transfer-Encoding: chunked\r\n\r\n').encode() + chunk * 24, 3)
    # A client that goes on sending may lose the answer to a reset.
    assert got == b'' or b'413' in got.split(b'\r\n')[0], got[:200]
    equal(len(seen_upstream()), m)


def a_chunked_request(door):
    data = body('in chunks').encode()
    text = b''.join(b'1\r\n' + bytes([c]) + b'\r\n' for c in data) + b'0\r\n\r\n'
    got = raw((HEAD + 'Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n').encode() + text)
    assert b'You said: in chunks' in got, got


def pipelined_requests_are_separate(door):
    good = body('first').encode()
    first = (HEAD + 'Content-Length: %d\r\n\r\n' % len(good)).encode() + good
    second = (HEAD.replace('slg_test', 'slg_other') + 'Connection: close\r\nContent-Length: %d\r\n\r\n' % len(good)).encode() + good
    got = raw(first + second)
    assert got.count(b'HTTP/1.1 ') == 2 and b'You said: first' in got and b' 401 ' in got, got


def smuggling_is_refused(door):
    m = len(seen_upstream())
    inner = b'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
    both = (HEAD + 'Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n' % len(inner)).encode() + inner
    got = raw(both, 3)
    assert b' 400 ' in got.split(b'\r\n')[0], got[:200]
    equal(len(seen_upstream()), m)


def fails_upstream(model, stream, status, code):
    """A model server that misbehaves: the client's error is typed, the outcome leaf agrees, and the stream
    does not look finished."""
    n = len(ledger())
    answer, text = ask(body('some words that are long enough to be seen in pieces', model=model, stream=stream))
    equal(answer.status, status, (model, stream))
    assert '"code":"%s"' % code in text.replace(' ', ''), (model, stream, text[-400:])
    assert '[DONE]' not in text, model
    last = leaves_after(n)
    equal([leaf['type'] for leaf in last], ['ask.intent', 'ask.outcome'], model)
    fields = last[-1]['fields']
    equal((fields['outcome'], fields['rule']), ('upstream_failed', code), (model, stream))


def bad_model_servers(door):
    for model, whole, streamed in (('scripted-die', 502, 200), ('scripted-reset', 502, 502),
                                   ('scripted-malformed', None, 200), ('scripted-invalid', 502, 502),
                                   ('scripted-error', 502, 502), ('scripted-busy', 429, 429),
                                   ('scripted-compressed', 502, 502)):
        for stream, status in ((False, whole), (True, streamed)):
            if status is not None:
                fails_upstream(model, stream, status, 'E_UPSTREAM')


def silent_model_servers(door):
    """One that never answers, and one that falls silent behind the head, half-way through."""
    door.restart('patience=1500')
    fails_upstream('scripted-hang', False, 502, 'E_TIMEOUT')
    fails_upstream('scripted-hang', True, 502, 'E_TIMEOUT')
    fails_upstream('scripted-late', True, 200, 'E_TIMEOUT')
    door.restart()


def an_answer_without_end_is_ended(door):
    """The client stays and reads: the limit of one channel's text ends it."""
    door.restart('text=20000')
    fails_upstream('scripted-endless', True, 200, 'E_UPSTREAM')
    door.restart()


def an_endless_model_server_and_a_client_that_leaves(door):
    n = len(ledger())
    with socket.create_connection(('127.0.0.1', PORT)) as link:
        data = body('on and on', model='scripted-endless', stream=True).encode()
        link.sendall((HEAD + 'Content-Length: %d\r\n\r\n' % len(data)).encode() + data)
        link.recv(4096)
        link.recv(4096)
    wait_for(lambda: [leaf for leaf in leaves_after(n) if leaf['fields'].get('outcome') == 'client_gone'], 5)


def a_slow_reader_is_dropped(door):
    n = len(ledger())
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.connect(('127.0.0.1', PORT))
    data = body('on and on', model='scripted-endless', stream=True).encode()
    link.sendall((HEAD + 'Content-Length: %d\r\n\r\n' % len(data)).encode() + data)
    try:
        wait_for(lambda: [leaf for leaf in leaves_after(n) if leaf['fields'].get('outcome') == 'client_gone'], 60)
    finally:
        link.close()


def a_closed_valve_stops_a_running_stream(door):
    n = len(ledger())
    link = http.client.HTTPConnection('127.0.0.1', PORT, timeout=20)
    link.request('POST', '/v1/chat/completions', body('on and on', model='scripted-endless', stream=True),
                 {'Content-Type': 'application/json', 'Authorization': 'Bearer slg_test'})
    answer = link.getresponse()
    answer.read(2000)
    door.send_signal(signal.SIGUSR1)
    began = time.time()
    rest = answer.read().decode()
    took = time.time() - began
    door.send_signal(signal.SIGUSR2)
    assert 'content_filter' in rest and 'outcome=cut' in rest, rest[-300:]
    assert took < 2, took
    last = leaves_after(n)[-1]
    equal((last['fields']['outcome'], last['fields']['rule']), ('cut', 'valve'))
    link.close()


def a_closed_valve_refuses(door):
    door.send_signal(signal.SIGUSR1)
    time.sleep(0.1)
    answer, text = ask(body('x'))
    door.send_signal(signal.SIGUSR2)
    time.sleep(0.1)
    equal((answer.status, json.loads(text)['error']['code']), (503, 'E_VALVE'))


def egress_serves_nothing_but_what_is_named(door):
    for where, status in (('/main/v1/files', b'404'), ('/other/v1/models', b'404'), ('/', b'404'),
                          ('/main/v1/chat/completions/../files', b'404')):
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(path('egress.sock'))
            link.sendall(b'GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' % where.encode())
            assert status in link.recv(4096).split(b'\r\n')[0], where


def egress_status():
    """What nginx says of itself: connections accepted, requests."""
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(path('count.sock'))
        link.sendall(b'GET /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        text = b''
        while True:
            more = link.recv(4096)
            if not more:
                break
            text += more
    assert b'server accepts handled requests' in text, text
    numbers = text.split(b'requests')[1].split()
    return int(numbers[0]), int(numbers[2])


def streams_share_connections_to_egress(door):
    accepts, requests = egress_status()
    for _ in range(20):
        answer, text = ask(body('Good morning', stream=True))
        assert 'outcome=delivered' in text, text
    time.sleep(0.1)
    accepts_after, requests_after = egress_status()
    assert requests_after - requests >= 20, (requests, requests_after)
    assert accepts_after - accepts <= 8, 'of 20 streams %d had a connection of their own' % (accepts_after - accepts)


def no_file_was_written_and_nothing_logged(door):
    left = [name for name in os.listdir(path('run')) if not name.endswith('.pid')]
    equal(left, ['no-files'])
    equal(os.listdir(path('run/no-files')), [])
    said = open(path('stderr')).read()
    assert 'slg_test' not in said and 'Hello' not in said and 'MASKME' not in said, said


def door_and_upstream_agree(door):
    """Every request that the model server saw has an intent; what was refused it never saw."""
    intents = [leaf for leaf in leaves_after(0) if leaf['type'] == 'ask.intent']
    outcomes = [leaf for leaf in leaves_after(0) if leaf['type'] == 'ask.outcome']
    assert len(seen_upstream()) <= len(intents), (len(seen_upstream()), len(intents))
    equal(sorted(leaf['crossing'] for leaf in intents), sorted(leaf['crossing'] for leaf in outcomes))


TESTS = [a_whole_answer, a_stream, identifiers_are_rewritten_and_restored, a_refused_request, a_finding_cuts_the_stream,
         bad_requests, strangers, a_hundred_megabytes, a_chunked_request, pipelined_requests_are_separate,
         smuggling_is_refused, bad_model_servers, silent_model_servers, an_answer_without_end_is_ended,
         an_endless_model_server_and_a_client_that_leaves,
         a_slow_reader_is_dropped, a_closed_valve_stops_a_running_stream, a_closed_valve_refuses,
         egress_serves_nothing_but_what_is_named, streams_share_connections_to_egress,
         no_file_was_written_and_nothing_logged, door_and_upstream_agree]


def main():
    if not os.path.exists('/usr/sbin/nginx'):
        print('nginx is not installed: skipped')
        return 77
    failed = 0
    try:
        door = set_up()
        for test in TESTS:
            try:
                test(door)
                print('ok', test.__name__, flush=True)
            except (AssertionError, OSError, ValueError, IndexError, SystemExit) as error:
                failed += 1
                print('FAILED', test.__name__, type(error).__name__, str(error)[:600], flush=True)
    finally:
        tear_down()
    print('%d passed, %d failed' % (len(TESTS) - failed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
