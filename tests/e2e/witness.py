"""A site and its witness end to end: cosigned while it runs, unknown while the witness is away, refused and
closed when the witness saw another history, and exit 4 when a whole old copy of the site is brought back.
Without a witness the same old copy starts: that is what a witness is for.

usage: witness.py STOPLOG
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import time

from ports import free_port
from whole_site import Site

STOPLOG = os.path.abspath(sys.argv[1])


def copy_site(source, target):
    shutil.copytree(source, target, ignore=shutil.ignore_patterns('*.sock'))
    for folder, _, files in os.walk(source):  # whose a file is belongs to the copy
        for name in [''] + [f for f in files if not f.endswith('.sock')]:
            st = os.stat(os.path.join(folder, name))
            os.chown(os.path.join(target, os.path.relpath(folder, source), name), st.st_uid, st.st_gid)


class Witnessed(Site):
    def __init__(self, stoplog):
        super().__init__(stoplog)
        self.witness, self.witness_port = None, free_port()
        self.make()
        with open(os.path.join(self.folder, 'ledger/vkey'), encoding='utf-8') as file:
            self.vkey = file.read().strip()
        done = subprocess.run([STOPLOG, 'ledger', 'witness', 'key', '--name', 'w.example/1', '--key-file',
                               self.file('w.pem')], capture_output=True, text=True, check=True)
        self.witnesses = ('ledger:\n  witness_every: 1s\n  witnesses:\n    - key: "%s"\n      url: '
                          '"http://127.0.0.1:%d"\n' % (done.stdout.strip(), self.witness_port))
        self.configure(more=self.witnesses)

    def start_witness(self, state='w'):
        with open(self.file('witness.log'), 'ab') as log:
            self.witness = subprocess.Popen(
                [STOPLOG, 'ledger', 'witness', 'serve', '--name', 'w.example/1', '--key-file', self.file('w.pem'),
                 '--state', self.file(state), '--listen', '127.0.0.1:%d' % self.witness_port, '--log', self.vkey],
                stdout=log, stderr=log)
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(('127.0.0.1', self.witness_port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end, 'the witness does not listen'
                time.sleep(0.05)

    def stop_witness(self):
        if self.witness is not None:
            self.witness.terminate()
            self.witness.wait(30)
            self.witness = None

    def refuses_to_start(self):
        """Begins it and waits for its end: the exit status."""
        self.begin()
        supervisor, self.supervisor = self.supervisor, None
        return supervisor.wait(40)

    def until_witness(self, state):
        self.until(lambda: self.summary().get('witness', {}).get('state') == state, 'witness ' + state)

    def write_leaf(self, name):
        self.signed('compartment', 'create', name)

    def consistent(self):
        lines = self.run('assure', 'check', 'ledger.consistent', want=None)
        return lines[0]['state'] if lines else None

    def text(self, name):
        with open(self.file(name), encoding='utf-8', errors='replace') as file:
            return file.read()

    def replace_with(self, copy):
        """Its folder becomes a copy of another."""
        shutil.rmtree(self.folder)
        copy_site(self.file(copy), self.folder)

    def end(self, keep=False):
        self.stop_witness()
        super().end(keep)


def cosigned(site):
    site.start_witness()
    site.up()
    site.until_witness('cosigned')
    site.until_open()
    site.until(lambda: site.consistent() == 'pass', 'ledger.consistent passes')
    note = os.path.join(site.folder, 'ledger/checkpoint.cosigned')
    first = int(site.text(note).split('\n')[1])
    assert site.text(note).count('\n\u2014 ') == 2, 'the log and the witness signed'
    site.write_leaf('c')
    site.until(lambda: int(site.text(note).split('\n')[1]) > first,
               'a newer cosigned checkpoint, without anybody asking')


def away(site):
    """An unreachable witness, at start and later: unknown, said in the status, and appends go on."""
    site.stop_witness()
    site.write_leaf('b')  # a ledger that does not grow is shown once a minute only
    site.until_witness('unreachable')
    site.until(lambda: site.consistent() == 'unknown', 'ledger.consistent is unknown')
    before = site.summary()['leaves']
    site.write_leaf('d')
    assert site.summary()['leaves'] > before, 'leaves are written all the same'
    assert site.down() == 0
    site.up()
    site.until_open()
    site.until_witness('unreachable')
    assert site.consistent() == 'unknown'
    site.start_witness()
    site.until_witness('cosigned')
    site.until(lambda: site.consistent() == 'pass', 'ledger.consistent passes again')
    shutil.copy(os.path.join(site.folder, 'ledger/checkpoint.cosigned'), site.file('newest'))


def rolled_back(site):
    """The site was copied before the above; its copy is whole and properly signed, only old."""
    assert site.down() == 0
    site.replace_with('old')
    assert site.refuses_to_start() == 4
    told = site.text('up.log').split('\n')[-4:]
    assert any('stoplog ledger recover' in line for line in told), told
    # Also the second time, when it has leaves of its own that the witness never saw.
    assert site.refuses_to_start() == 4
    # Offline, with what the witness signed at hand.
    os.makedirs(os.path.join(site.folder, 'ledger/outside'), exist_ok=True)
    shutil.copy(site.file('newest'), os.path.join(site.folder, 'ledger/outside/newest'))
    site.run('ledger', 'recover', want=4)
    # With nobody outside who remembers, an old copy looks like any ledger.
    site.replace_with('old')
    site.configure()
    site.run('ledger', 'recover')
    site.up()
    site.until_open()  # an old copy, without a witness
    assert site.down() == 0


def forked(site):
    """A witness that remembers another history while the site runs: refused, an incident, closed."""
    site.stop_witness()
    site.replace_with('old')
    site.configure(more=site.witnesses)
    site.start_witness('w2')
    site.up()
    site.until_witness('cosigned')
    site.stop_witness()
    site.until_open()
    site.write_leaf('f')
    site.until_witness('unreachable')
    # Its memory of our log becomes that of the first witness: a history which this one left.
    name = os.listdir(site.file('w/log'))[0]
    shutil.copy(site.file('w/log/' + name), site.file('w2/log/' + name))
    site.start_witness('w2')
    site.until_witness('refused')
    site.until(lambda: site.state() == 'closed', 'the site closes')
    site.until(lambda: 'proof_failed' in json.dumps(site.run('incident', 'list')), 'the incident')
    assert site.consistent() == 'fail'


def main():
    with Witnessed(STOPLOG) as site:
        site.up()
        site.until_open()
        assert site.down() == 0
        copy_site(site.folder, site.file('old'))
        for part in (cosigned, away, rolled_back, forked):
            part(site)
            print('ok', part.__name__)


main()
