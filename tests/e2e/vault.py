"""A site's vault end to end: two operators, a compartment from its creation to its shredding, keys and
grants, a locked vault after the keeper's death. Every claim is read from the commands' answers and
from the ledger, which is verified at the end.

usage: vault.py STOPLOG
"""
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

STOPLOG = sys.argv[1]
PASSPHRASE = 'a long passphrase of this test'
DELAY_S = 2


class Site:
    def __init__(self, directory):
        self.directory = directory
        self.path = os.path.join(directory, 'site')
        self.process = None

    def run(self, *args, want=0, secret=None):
        command = [STOPLOG, '--site', self.path, '--json'] + list(args)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, input=secret)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == want, (args, done.returncode, done.stdout, done.stderr)
        return lines

    def key(self, person):
        return os.path.join(self.directory, person + '.pem')

    def init(self):
        operators = []
        for person in ('alice', 'bob'):
            line = self.run('operator', 'key', self.key(person))[-1]
            operators += ['--operator', person + '=' + line['summary']['public_key']]
        secret = os.path.join(self.directory, 'passphrase')
        with open(secret, 'w', encoding='ascii') as out:
            out.write(PASSPHRASE + '\n')
        self.run('init', *operators, '--quorum', '2', '--delay', str(DELAY_S),
                 '--passphrase-file', secret)
        config = os.path.join(self.path, 'config.yml')
        with open(config, encoding='utf-8') as source:
            text = source.read()
        with open(config, 'w', encoding='utf-8') as out:
            out.write(text.replace('127.0.0.1:8443', '127.0.0.1:%d' % free_port()))

    def up(self):
        log = open(os.path.join(self.directory, 'up.log'), 'ab')
        command = [STOPLOG, '--site', self.path, 'up']
        if os.geteuid() != 0:
            for layer in ('uid', 'cgroup', 'user-ns', 'root', 'pid-ns', 'net-ns', 'ipc-ns',
                          'uts-ns', 'cgroup-ns', 'capabilities'):
                command += ['--accept-missing', layer]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.until(lambda: self.site_open(), 'the site is open')

    def site_open(self):
        done = subprocess.run([STOPLOG, '--site', self.path, 'status'], capture_output=True,
                              text=True, timeout=60)
        return done.returncode == 0 and re.search(r'^site .* open ', done.stdout, re.M)

    def down(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def until(self, true, what, wait_s=30):
        end = time.monotonic() + wait_s
        while not true():
            assert self.process.poll() is None, 'the site went down while waiting: ' + what
            assert time.monotonic() < end, 'never came: ' + what
            time.sleep(0.1)

    def compartment(self):
        return self.run('compartment', 'show', 'c')[-1]

    def leaves(self, kind):
        done = subprocess.run([STOPLOG, '--site', self.path, 'ledger', 'export'],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        found = []
        for line in done.stdout.splitlines():
            leaf = json.loads(line).get('leaf')
            if leaf is not None and leaf['event']['type'] == kind:
                found.append(leaf)
        return found

    def keeper_pid(self):
        done = subprocess.run([STOPLOG, '--site', self.path, 'status'], capture_output=True,
                              text=True, timeout=60)
        pid = re.search(r'keeper +serving, pid (\d+)', done.stdout)
        return int(pid.group(1)) if pid else None

    def unlock(self, passphrase, want=0):
        return self.run('unlock', want=want, secret=passphrase + '\n')

    def approve(self, person):
        action = self.run('approve')[0]['action']
        return self.run('approve', action[:16], '--key', self.key(person))[-1]['summary']


def check_locked(site):
    site.run('compartment', 'create', 'c', '--key', site.key('alice'))
    assert not site.compartment()['keys_made'], 'keys without a passphrase'
    site.unlock('not the passphrase', want=1)
    assert not site.compartment()['keys_made'], 'keys for a wrong passphrase'
    site.unlock(PASSPHRASE)
    site.until(lambda: site.compartment()['keys_made'], 'keys made')
    site.until(lambda: len(site.leaves('key.created')) == 1, 'the leaf of the keys')


def check_keys(site):
    line = site.run('key', 'issue', 'somebody', '--key', site.key('alice'))[-1]['summary']
    assert re.fullmatch(r'slg_[A-Za-z0-9_-]{56}', line['key'])
    site.run('grant', 'somebody', 'c', '--door', 'ask', '--purpose', 'study', '--until', '30d',
             '--requests', '10/h', '--key', site.key('bob'))
    grant = site.run('grant', 'list')[0]
    assert grant['principal'] == line['principal'] and grant['requests_h'] == 10
    site.run('revoke', grant['grant'], '--key', site.key('alice'))
    assert site.run('grant', 'list')[0]['revoked']
    site.run('key', 'revoke', line['id'], '--key', site.key('alice'))
    assert site.run('key', 'list')[0]['revoked']
    site.until(lambda: len(site.leaves('action.approved')) == 5, 'five actions published')
    everything = json.dumps(site.leaves('action.approved'))
    assert 'somebody' not in everything and line['key'] not in everything


def check_death(site):
    pid = site.keeper_pid()
    os.kill(pid, signal.SIGKILL)
    site.until(lambda: site.keeper_pid() not in (None, pid), 'the keeper again')
    site.until(site.site_open, 'open again')
    site.unlock(PASSPHRASE)


def check_two_persons(site):
    site.run('compartment', 'seal', 'c', '--key', site.key('alice'))
    assert site.compartment()['state'] == 'sealed'
    waits = site.run('compartment', 'unseal', 'c', '--key', site.key('alice'), want=1)[-1]
    assert waits['summary']['state'] == 'pending' and waits['summary']['need'] == 2
    again = site.run('approve', waits['summary']['action'][:16], '--key', site.key('alice'), want=1)
    assert again[-1]['summary']['have'] == 1, 'one person counted twice'
    assert site.approve('bob')['state'] == 'approved'
    assert site.compartment()['state'] == 'closed'
    site.run('compartment', 'open', 'c', '--key', site.key('alice'))
    assert site.compartment()['state'] == 'open'


def check_destruction(site):
    both = ['--key', site.key('alice'), '--key', site.key('bob')]
    site.run('compartment', 'shred', 'c', *both)
    assert site.compartment()['state'] == 'sealed', 'seal before shred'
    site.run('compartment', 'shred-cancel', 'c', '--key', site.key('bob'))
    time.sleep(DELAY_S + 0.5)
    assert site.compartment()['state'] == 'sealed', 'cancelled, and destroyed all the same'
    ordered = time.monotonic()
    site.run('compartment', 'shred', 'c', *both)
    site.until(lambda: site.compartment()['state'] == 'shredded', 'shredded')
    assert time.monotonic() - ordered >= DELAY_S, 'before its delay'
    site.until(lambda: site.leaves('key.destroyed'), 'the leaf of the destruction')
    destroyed = site.leaves('key.destroyed')
    assert len(destroyed) == 1 and destroyed[0]['event']['fields']['proved'] is True
    assert destroyed[0]['by'] == 'keeper'
    assert os.listdir(os.path.join(site.path, 'state', 'keeper', 'kms')) == []
    site.run('compartment', 'unseal', 'c', *both, want=1)
    site.run('compartment', 'create', 'c', *both, want=3)


def main():
    directory = tempfile.mkdtemp(prefix='stoplog-vault-')
    os.chmod(directory, 0o755)
    site = Site(directory)
    try:
        site.init()
        site.up()
        for check in (check_locked, check_keys, check_death, check_two_persons,
                      check_destruction):
            check(site)
            print('ok', check.__name__)
        site.down()
        done = subprocess.run([STOPLOG, 'ledger', 'verify', os.path.join(site.path, 'ledger')],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    except BaseException:
        with open(os.path.join(directory, 'up.log'), encoding='utf-8', errors='replace') as log:
            sys.stderr.write(log.read())
        raise
    finally:
        site.down()
        shutil.rmtree(directory)


if __name__ == '__main__':
    main()
