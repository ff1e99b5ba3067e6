"""A whole site for tests: made, configured, brought up with what this machine can give, asked for its processes and
leaves, killed and brought down. Python's standard library only."""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from ports import free_port

NGINX = '/usr/sbin/nginx'


class Site:
    """A site in `folder`, with keys, logs and what else a test writes beside it (`file`). As a context it ends what it
    began, and is removed unless something went wrong: then its last words are printed and it is kept."""

    def __init__(self, stoplog):
        self.stoplog = os.path.abspath(stoplog)
        self.directory = tempfile.mkdtemp(prefix='stoplog-site-')
        os.chmod(self.directory, 0o755)
        self.folder = self.file('site')
        self.log = self.file('up.log')
        self.port = free_port()
        self.accept = []
        self.supervisor = None
        self.children = []

    def file(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, content):
        """A file beside the site, from text or bytes; its path."""
        with open(self.file(name), 'wb') as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        return self.file(name)

    def key(self, person):
        return self.file(person + '.pem')

    # Commands

    def call(self, *arguments, secret=None, wait_s=120):
        """A command as its user would see it; `secret` goes to its standard input."""
        return subprocess.run([self.stoplog, '--site', self.folder, '--json', *arguments], input=secret, check=False,
                              capture_output=True, text=True, timeout=wait_s)

    def run(self, *arguments, want=0, **more):
        """The JSON lines of a command that ends with status `want`; None: with any."""
        done = self.call(*arguments, **more)
        assert want is None or done.returncode == want, (arguments, done.returncode, done.stdout[-2000:],
                                                         done.stderr[-2000:])
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]

    def signed(self, *arguments, by='alice', **more):
        return self.run(*arguments, '--key', self.key(by), **more)

    # Its beginning and its end

    def make(self, persons=('alice',), options=()):
        """A new site of these operators; by default it listens on loopback and serves no model."""
        operators = []
        for person in persons:
            line = self.run('operator', 'key', self.key(person))[-1]
            operators += ['--operator', person + '=' + line['summary']['public_key']]
        self.run('init', *operators, *options)
        self.configure()

    def configure(self, upstreams=(), models=(), more=''):
        """Writes config.yml. `upstreams` are (name, url); `models` are (name, names of upstreams), all for the
        compartment "trial"; `more` is appended."""
        text = 'front:\n  listen: "127.0.0.1:%d"\n' % self.port
        if upstreams:
            text += 'egress:\n  upstreams:\n' + ''.join(
                '    - name: %s\n      url: "%s"\n' % upstream for upstream in upstreams)
        if models:
            text += 'ask:\n  processes: 2\n  models:\n' + ''.join(
                '    - name: %s\n      upstreams: [%s]\n      compartments: [trial]\n' % (name, ', '.join(of))
                for name, of in models)
        with open(os.path.join(self.folder, 'config.yml'), 'w', encoding='utf-8') as out:
            out.write(text + more)

    def begin(self):
        """Starts the site and waits for nothing."""
        with open(self.log, 'ab') as out:
            self.supervisor = subprocess.Popen([self.stoplog, '--site', self.folder, 'up', *self.accept], stdout=out,
                                               stderr=out)

    def up(self):
        """Starts the site; what this machine cannot give is accepted by name."""
        for _ in range(20):
            at = os.path.getsize(self.log) if os.path.exists(self.log) else 0
            self.begin()
            text = ''
            while 'the site is up;' not in text and self.supervisor.poll() is None:
                time.sleep(0.05)
                text = self.last_words(at)
            if 'the site is up;' in text:
                return
            if 'it exists already' in text:  # a process of the one that was killed still ends
                time.sleep(0.2)
                continue
            missing = set(re.findall(r'--accept-missing ([a-z-]+)', text)) - set(self.accept)
            assert missing, 'the site did not come up:\n' + text[-3000:]
            for layer in sorted(missing):
                self.accept += ['--accept-missing', layer]
        raise AssertionError('the site did not come up')

    def kill(self):
        """Takes the supervisor, and with it the site."""
        self.supervisor.kill()
        self.supervisor.wait()

    def down(self):
        """Brings the site down as an operator would; its exit status."""
        if self.supervisor is None:
            return None
        supervisor, self.supervisor = self.supervisor, None
        supervisor.send_signal(signal.SIGTERM)
        try:
            return supervisor.wait(60)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            return supervisor.wait()

    def end(self, keep=False):
        self.down()
        for child in self.children:
            child.kill()
            child.wait()
        if keep:
            print('kept: ' + self.directory, flush=True)
        else:
            shutil.rmtree(self.directory)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            if kind is not None and os.path.exists(self.log):
                sys.stderr.write(self.last_words()[-4000:])
        finally:
            self.end(keep=kind is not None)

    # What it says of itself

    def last_words(self, at=0):
        """What the supervisor and its processes said from this byte on."""
        with open(self.log, encoding='utf-8', errors='replace') as source:
            source.seek(at)
            return source.read()

    def crashes(self):
        """What the supervisor said of processes that ended by a signal which nobody here sends."""
        ends = [line.strip() for line in self.last_words().splitlines() if ' ended by signal ' in line]
        return [end for end in ends if int(end.rsplit(' ', 1)[1]) not in (signal.SIGKILL, signal.SIGTERM)]

    def status(self):
        """The lines of `status`; nothing when nobody can be asked."""
        try:
            done = self.call('status', wait_s=20)
        except subprocess.TimeoutExpired:
            return []
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
        return lines if done.returncode == 0 else []

    def summary(self):
        lines = self.status()
        return lines[-1]['summary'] if lines else {}

    def state(self):
        return self.summary().get('state')

    def processes(self):
        return [line for line in self.status() if 'process' in line]

    def pid(self, name):
        """Of a process that serves; None while it does not."""
        return next((p['pid'] for p in self.processes() if p['process'] == name and p['state'] == 'serving'), None)

    def serves(self):
        found = self.processes()
        return bool(found) and all(p['state'] == 'serving' for p in found)

    def until(self, true, what, wait_s=60):
        """What `true` returns once it is true; a site that ends meanwhile is an error."""
        end = time.monotonic() + wait_s
        while True:
            found = true()
            if found:
                return found
            assert self.supervisor.poll() is None, 'the site went down while waiting: ' + what
            assert time.monotonic() < end, 'never came: ' + what
            time.sleep(0.1)

    def until_open(self):
        self.until(lambda: self.state() == 'open', 'the site is open')

    def leaves(self, kind=None):
        """In the ledger's order; where and by whom, the event's members and its fields lifted beside each other."""
        found = []
        for line in self.run('ledger', 'export', wait_s=300):
            if 'leaf' in line:
                leaf = line['leaf']
                event = leaf['event']
                if kind is None or event['type'] == kind:
                    found.append(dict(leaf, index=line['index'], **event) | event.get('fields', {}))
        return found

    def check(self, name):
        """The state of one check of the assurance, and why."""
        line = json.loads(self.call('assure', 'check', name).stdout.splitlines()[0])
        return line['state'], line['why']

    # Who asks it

    def create(self, compartment='trial'):
        """A compartment with its keys."""
        self.signed('compartment', 'create', compartment)
        self.until(lambda: self.run('compartment', 'show', compartment)[-1]['keys_made'], 'keys')

    def until_answers(self, key):
        """Until every process of the door has what it needs: none of eight requests meets one that has not."""
        self.until(lambda: all(self.ask(key, 'Hello')[0] == 200 for _ in range(8)), 'answers')

    def principal(self, name, *budget):
        """A principal of the compartment "trial" whose grant the door knows; its key."""
        self.signed('grant', name, 'trial', '--door', 'ask', '--purpose', 'research', '--until', '1d', *budget)
        key = self.signed('key', 'issue', name)[-1]['summary']['key']
        self.until(lambda: self.request(key, 'GET', '/v1/models')[0] == 200, 'the grant of ' + name)
        return key

    def request(self, key, method, path, body=None, wait_s=60):
        """(status, parsed answer); the status is None when nobody answered."""
        link = http.client.HTTPConnection('127.0.0.1', self.port, timeout=wait_s)
        try:
            link.request(method, path, body, {'Authorization': 'Bearer ' + key, 'Content-Type': 'application/json'})
            answer = link.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException):
            return None, None
        finally:
            link.close()

    def ask(self, key, text, model='scripted', wait_s=60):
        """(status, finish reason, text) of one chat completion."""
        status, body = self.request(key, 'POST', '/v1/chat/completions', json.dumps(
            {'model': model, 'messages': [{'role': 'user', 'content': text}]}), wait_s)
        if status != 200:
            return status, '', ''
        choice = body['choices'][0]
        return status, choice['finish_reason'], choice['message'].get('content') or ''

    def upstream(self, root, port=None, script=None, delay_ms=1):
        """The scripted model server on loopback, which logs to model.log: (process, port)."""
        port = port or free_port()
        more = ['--script', script] if script else []
        self.children.append(subprocess.Popen(
            [sys.executable, root + '/tools/scripted-upstream/scripted-upstream', '--listen', '127.0.0.1:%d' % port,
             '--log', self.file('model-%d.log' % port), '--delay-ms', str(delay_ms), *more],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return self.children[-1], port


def passes(*tests):
    """Runs every (function, arguments...), also after one that failed; one that failed is an error in the end."""
    failed = []
    for test, *arguments in tests:
        begun = time.monotonic()
        try:
            test(*arguments)
            print('passed %s, %d s' % (test.__name__, time.monotonic() - begun), flush=True)
        except AssertionError as error:
            failed.append(test.__name__)
            print('FAILED %s: %s' % (test.__name__, str(error)[:800]), flush=True)
    print('%d passed, %d failed' % (len(tests) - len(failed), len(failed)), flush=True)
    assert not failed, failed


def skip_without_nginx():
    """A site has doors only where Debian's nginx is installed."""
    if not os.path.exists(NGINX):
        print('nginx is not installed: skipped')
        sys.exit(77)
