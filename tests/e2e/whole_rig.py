"""A real site for tests of the whole: two operators' worth of commands, one compartment with planted records, a model
that recites them, a witness if asked for. Imported by the scripts beside it.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from ports import free_port

LAYERS_OF_ROOT = ('uid', 'cgroup', 'user-ns', 'root', 'pid-ns', 'net-ns', 'ipc-ns', 'uts-ns', 'cgroup-ns',
                  'capabilities')


class Site:
    def __init__(self, stoplog, root, witness=False):
        self.stoplog, self.root, self.witness = os.path.abspath(stoplog), os.path.abspath(root), witness
        self.dir = tempfile.mkdtemp(prefix='stoplog-site-')
        os.chmod(self.dir, 0o755)
        self.site = os.path.join(self.dir, 'site')
        self.front, self.leaky, self.plain, self.witness_port = (free_port() for _ in range(4))
        self.children = []
        self.supervisor = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def call(self, *args):
        return subprocess.run([self.stoplog, '--site', self.site, '--json', *args], timeout=120,
                              capture_output=True, text=True)

    def run(self, *args):
        done = self.call(*args)
        assert done.returncode == 0, (args, done.returncode, done.stdout, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]

    def until(self, true, what, wait_s=30):
        end = time.monotonic() + wait_s
        while not true():
            assert self.supervisor.poll() is None, 'the site went down while waiting: ' + what
            assert time.monotonic() < end, 'never came: ' + what
            time.sleep(0.1)

    def status(self):
        done = self.call('status')
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
        return lines if done.returncode == 0 else []

    def state(self):
        lines = self.status()
        return lines[-1]['summary']['state'] if lines else None

    def pid(self, name):
        return next(line['pid'] for line in self.status() if line.get('process') == name)

    def make(self):
        key = self.run('operator', 'key', self.path('alice.pem'))[-1]['summary']['public_key']
        self.run('init', '--operator', 'alice=' + key)
        witness = self.start_witness() if self.witness else ''
        with open(os.path.join(self.site, 'config.yml'), 'w', encoding='utf-8') as out:
            out.write('front:\n  listen: "127.0.0.1:%d"\negress:\n  upstreams:\n' % self.front)
            for name, port in (('leaky', self.leaky), ('plain', self.plain)):
                out.write('    - name: %s\n      url: "http://127.0.0.1:%d/v1"\n' % (name, port))
            out.write('ask:\n  models:\n')
            for name in ('leaky', 'plain'):
                out.write('    - name: %s\n      upstreams: [%s]\n      compartments: [trial]\n'
                          % (name, name))
            out.write(witness)
        with open(os.path.join(self.site, 'policy/ingest.yml'), 'w', encoding='utf-8') as out:
            out.write('canaries: 2\n')
        with open(self.path('people.csv'), 'w', encoding='utf-8') as out:
            out.write('SUBJID,NAME,MRN\n' + ''.join(
                '%04d,Given Family%d,%08d\n' % (i, i, 70000000 + i) for i in range(40)))

    def start_witness(self):
        """A witness of its own key, and what config.yml must say of it."""
        serve = [self.stoplog, 'ledger', 'witness']
        named = ['--name', 'w.example/1', '--key-file', self.path('w.pem')]
        key = subprocess.run(serve + ['key'] + named, capture_output=True, text=True, check=True).stdout.strip()
        with open(os.path.join(self.site, 'ledger/vkey'), encoding='utf-8') as file:
            log_key = file.read().strip()
        self.children.append(subprocess.Popen(
            serve + ['serve'] + named + ['--state', self.path('w'), '--listen', '127.0.0.1:%d' % self.witness_port,
                                         '--log', log_key], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return ('ledger:\n  witness_every: 1s\n  witnesses:\n    - key: "%s"\n      url: "http://127.0.0.1:%d"\n'
                % (key, self.witness_port))

    def up_command(self):
        command = [self.stoplog, '--site', self.site, 'up']
        if os.geteuid() != 0:
            for layer in LAYERS_OF_ROOT:
                command += ['--accept-missing', layer]
        return command

    def up(self, again=False):
        log = open(self.path('up.log'), 'ab')
        self.supervisor = subprocess.Popen(self.up_command(), stdout=log, stderr=log)
        if again:  # signals of the last minutes that no incident names are acted on once more
            self.until(lambda: self.state() is not None, 'the warden answers', 60)
            self.reopen()
        self.until(lambda: self.state() == 'open', 'the site is open')

    def down(self):
        if self.supervisor is not None:
            self.supervisor.send_signal(signal.SIGTERM)
            self.supervisor.wait(30)
            self.supervisor = None

    def signed(self, *args):
        return self.run(*args, '--key', self.path('alice.pem'))

    def principal(self, name, *budget):
        self.signed('grant', name, 'trial', '--door', 'ask', '--purpose', 'research', '--until', '1d',
                    *budget)
        key = self.signed('key', 'issue', name)[-1]['summary']['key']

        def served():
            done = subprocess.run(['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-H',
                                   'Authorization: Bearer ' + key,
                                   'http://127.0.0.1:%d/v1/models' % self.front],
                                  capture_output=True, text=True, timeout=30)
            return done.stdout == '200'
        self.until(served, 'the grant of ' + name)
        return key

    def data(self):
        """A compartment with planted records, and a model that recites them."""
        self.signed('compartment', 'create', 'trial')
        self.until(lambda: self.run('compartment', 'show', 'trial')[-1]['keys_made'], 'keys')
        self.signed('grant', 'carl', 'trial', '--door', 'ingest', '--purpose', 'research', '--until', '1d',
                    '--records', '100000/d')
        self.until(lambda: self.call('ingest', 'trial', self.path('people.csv')).returncode == 0, 'ingest')
        line = self.run('object', 'canaries', 'trial', 'people.csv')[0]
        self.canaries = [line['name'], line['mrn']]
        with open(self.path('script.json'), 'w', encoding='utf-8') as out:
            json.dump([{'text': 'The record says: ' + line['text'] + ' and so on.'}], out)
        for port, script in ((self.leaky, ['--script', self.path('script.json')]), (self.plain, [])):
            self.children.append(subprocess.Popen(
                [sys.executable, self.root + '/tools/scripted-upstream/scripted-upstream', '--listen',
                 '127.0.0.1:%d' % port] + script, stdout=subprocess.DEVNULL))
            self.until(lambda: subprocess.run(['curl', '-sf', 'http://127.0.0.1:%d/v1/models' % port],
                                              stdout=subprocess.DEVNULL).returncode == 0, 'a model')

    def reopen(self):
        """What was closed is opened again by an operator, as often as it takes: late signals close again."""
        def undo():
            for line in self.run('incident', 'list'):
                if line.get('state') == 'contained' and line.get('rule') == 'proof_failed':
                    self.call('incident', 'undo', line['incident'], '--key', self.path('alice.pem'))
            return self.state() == 'open'
        self.until(undo, 'open again', 60)

    def ended(self):
        lines = self.run('ledger', 'export')
        return [line['index'] for line in lines if line['leaf']['event']['type'] == 'drill.ended']

    def drill(self, name, *args):
        done = self.call('drill', 'run', name, *args)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
        return done.returncode, lines[0] if lines else {'error': done.stderr}

    def leaves(self, kind):
        return [line for line in self.run('ledger', 'export') if line['leaf']['event']['type'] == kind]

    def check(self, name):
        """The state of one check, and why."""
        done = self.call('assure', 'check', name)
        line = json.loads(done.stdout.splitlines()[0])
        return line['state'], line['why']

    def end(self):
        for child in self.children:
            child.terminate()
            child.wait()
        self.down()
        shutil.rmtree(self.dir)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        """Ends the site; what it said last comes first when something went wrong."""
        try:
            if kind is not None:
                sys.stderr.write(self.last_words())
        finally:
            self.end()

    def last_words(self):
        with open(self.path('up.log'), encoding='utf-8', errors='replace') as log:
            return log.read()[-3000:]
