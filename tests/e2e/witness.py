"""A site and its witness end to end: cosigned while it runs, unknown while the witness is away, refused and
closed when the witness saw another history, and exit 4 when a whole old copy of the site is brought back.
Without a witness the same old copy starts: that is what a witness is for.

usage: witness.py STOPLOG
"""
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

STOPLOG = os.path.abspath(sys.argv[1])


def copy_site(source, target):
    shutil.copytree(source, target, ignore=shutil.ignore_patterns('*.sock'))
    for folder, _, files in os.walk(source):  # whose a file is belongs to the copy
        for name in [''] + [f for f in files if not f.endswith('.sock')]:
            st = os.stat(os.path.join(folder, name))
            os.chown(os.path.join(target, os.path.relpath(folder, source), name), st.st_uid, st.st_gid)


class Place:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='stoplog-witness-')
        os.chmod(self.dir, 0o755)
        self.site = self.path('site')
        self.front = free_port()
        self.port = free_port()
        self.running = {}

    def path(self, name):
        return os.path.join(self.dir, name)

    def run(self, *args, want=0):
        done = subprocess.run([STOPLOG, '--site', self.site, '--json', *args], timeout=60,
                              capture_output=True, text=True)
        assert want is None or done.returncode == want, (args, done.returncode, done.stdout, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]

    def make(self):
        key = self.run('operator', 'key', self.path('alice.pem'))[-1]['summary']['public_key']
        self.run('init', '--operator', 'alice=' + key)
        with open(os.path.join(self.site, 'ledger/vkey'), encoding='utf-8') as file:
            self.vkey = file.read().strip()
        done = subprocess.run([STOPLOG, 'ledger', 'witness', 'key', '--name', 'w.example/1', '--key-file',
                               self.path('w.pem')], capture_output=True, text=True, check=True)
        self.witness_key = done.stdout.strip()
        self.configure(True)

    def configure(self, witness):
        with open(os.path.join(self.site, 'config.yml'), 'w', encoding='utf-8') as out:
            out.write('front:\n  listen: "127.0.0.1:%d"\n' % self.front)
            if witness:
                out.write('ledger:\n  witness_every: 1s\n  witnesses:\n    - key: "%s"\n'
                          '      url: "http://127.0.0.1:%d"\n' % (self.witness_key, self.port))

    def start_witness(self, state='w'):
        log = open(self.path('witness.log'), 'ab')
        self.running['witness'] = subprocess.Popen(
            [STOPLOG, 'ledger', 'witness', 'serve', '--name', 'w.example/1', '--key-file',
             self.path('w.pem'), '--state', self.path(state), '--listen', '127.0.0.1:%d' % self.port,
             '--log', self.vkey], stdout=log, stderr=log)
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(('127.0.0.1', self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end, 'the witness does not listen'
                time.sleep(0.05)

    def up(self):
        log = open(self.path('up.log'), 'ab')
        command = [STOPLOG, '--site', self.site, 'up']
        if os.geteuid() != 0:
            for layer in ('uid', 'cgroup', 'user-ns', 'root', 'pid-ns', 'net-ns', 'ipc-ns', 'uts-ns',
                          'cgroup-ns', 'capabilities'):
                command += ['--accept-missing', layer]
        self.running['site'] = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self, name):
        process = self.running.pop(name, None)
        if process is None:
            return None
        process.send_signal(signal.SIGTERM)
        return process.wait(30)

    def status(self):
        done = subprocess.run([STOPLOG, '--site', self.site, '--json', 'status'], timeout=60,
                              capture_output=True, text=True)
        return json.loads(done.stdout.splitlines()[-1])['summary'] if done.returncode == 0 else None

    def until(self, true, what, wait_s=30):
        end = time.monotonic() + wait_s
        while True:
            found = true()
            if found:
                return found
            assert self.running['site'].poll() is None, 'the site went down while waiting: ' + what
            assert time.monotonic() < end, 'never came: %s; %s' % (what, self.status())
            time.sleep(0.1)

    def until_witness(self, state):
        return self.until(lambda: (self.status() or {}).get('witness', {}).get('state') == state,
                          'witness ' + state)

    def write_leaf(self, name):
        self.run('compartment', 'create', name, '--key', self.path('alice.pem'))

    def consistent(self):
        lines = self.run('assure', 'check', 'ledger.consistent', want=None)
        return lines[0]['state'] if lines else None

    def text(self, name):
        with open(self.path(name), encoding='utf-8', errors='replace') as file:
            return file.read()


def cosigned(place):
    place.start_witness()
    place.up()
    place.until_witness('cosigned')
    place.until(lambda: place.status()['state'] == 'open', 'open')
    place.until(lambda: place.consistent() == 'pass', 'ledger.consistent passes')
    note = os.path.join(place.site, 'ledger/checkpoint.cosigned')
    first = int(place.text(note).split('\n')[1])
    assert place.text(note).count('\n\u2014 ') == 2, 'the log and the witness signed'
    place.write_leaf('c')
    place.until(lambda: int(place.text(note).split('\n')[1]) > first,
                'a newer cosigned checkpoint, without anybody asking')


def away(place):
    """An unreachable witness, at start and later: unknown, said in the status, and appends go on."""
    place.stop('witness')
    place.write_leaf('b')  # a ledger that does not grow is shown once a minute only
    place.until_witness('unreachable')
    place.until(lambda: place.consistent() == 'unknown', 'ledger.consistent is unknown')
    before = place.status()['leaves']
    place.write_leaf('d')
    assert place.status()['leaves'] > before, 'leaves are written all the same'
    assert place.stop('site') == 0
    place.up()
    place.until(lambda: (place.status() or {}).get('state') == 'open', 'open without its witness')
    place.until_witness('unreachable')
    assert place.consistent() == 'unknown'
    place.start_witness()
    place.until_witness('cosigned')
    place.until(lambda: place.consistent() == 'pass', 'ledger.consistent passes again')


def rolled_back(place):
    """The site was copied before the above; its copy is whole and properly signed, only old."""
    assert place.stop('site') == 0
    shutil.rmtree(place.site)
    copy_site(place.path('old'), place.site)
    place.up()
    status = place.running.pop('site').wait(40)
    assert status == 4, 'exit %d' % status
    told = place.text('up.log').split('\n')[-4:]
    assert any('stoplog ledger recover' in line for line in told), told
    # Also the second time, when it has leaves of its own that the witness never saw.
    place.up()
    assert place.running.pop('site').wait(40) == 4
    # Offline, with what the witness signed at hand.
    os.makedirs(os.path.join(place.site, 'ledger/outside'), exist_ok=True)
    shutil.copy(place.path('newest'), os.path.join(place.site, 'ledger/outside/newest'))
    place.run('ledger', 'recover', want=4)
    # With nobody outside who remembers, an old copy looks like any ledger.
    shutil.rmtree(place.site)
    copy_site(place.path('old'), place.site)
    place.configure(False)
    place.run('ledger', 'recover')
    place.up()
    place.until(lambda: (place.status() or {}).get('state') == 'open', 'an old copy without a witness')
    assert place.stop('site') == 0


def forked(place):
    """A witness that remembers another history while the site runs: refused, an incident, closed."""
    shutil.rmtree(place.site)
    copy_site(place.path('old'), place.site)
    place.configure(True)
    place.start_witness('w2')
    place.up()
    place.until_witness('cosigned')
    place.stop('witness')
    place.until(lambda: (place.status() or {}).get('state') == 'open', 'open')
    place.write_leaf('f')
    place.until_witness('unreachable')
    # Its memory of our log becomes that of the first witness: a history which this one left.
    name = os.listdir(place.path('w/log'))[0]
    shutil.copy(place.path('w/log/' + name), place.path('w2/log/' + name))
    place.start_witness('w2')
    place.until_witness('refused')
    place.until(lambda: place.status()['state'] == 'closed', 'the site closes')
    place.until(lambda: 'proof_failed' in json.dumps(place.run('incident', 'list')), 'the incident')
    assert place.consistent() == 'fail'


def main():
    place = Place()
    try:
        place.make()
        place.up()
        place.until(lambda: (place.status() or {}).get('state') == 'open', 'open')
        assert place.stop('site') == 0
        copy_site(place.site, place.path('old'))
        cosigned(place)
        print('ok cosigned')
        away(place)
        shutil.copy(os.path.join(place.site, 'ledger/checkpoint.cosigned'), place.path('newest'))
        print('ok away')
        rolled_back(place)
        print('ok rolled_back')
        place.stop('witness')
        forked(place)
        print('ok forked')
    except BaseException:
        for name in ('up.log', 'witness.log'):
            if os.path.exists(place.path(name)):
                sys.stderr.write(place.text(name)[-4000:])
        raise
    finally:
        place.stop('site')
        place.stop('witness')
        shutil.rmtree(place.dir)


main()
