"""A whole site for tests: made, brought up with what this machine can give, asked for its processes and
leaves, killed and brought down. Python's standard library only."""
import json
import os
import re
import signal
import subprocess
import sys
import time

from ports import free_port


class Site:
    def __init__(self, stoplog, directory, upstreams):
        """`upstreams` are (name, url); they all serve the model "scripted", in this order."""
        self.stoplog = stoplog
        self.directory = directory
        self.path = os.path.join(directory, 'site')
        self.log = os.path.join(directory, 'up.log')
        self.port = free_port()
        self.operator = os.path.join(directory, 'operator.pem')
        self.accept = []
        self.supervisor = None
        public = self.run('operator', 'key', self.operator)[-1]['summary']['public_key']
        self.run('init', '--operator', 'ada=' + public)
        with open(os.path.join(self.path, 'config.yml'), 'w', encoding='utf-8') as out:
            out.write('front:\n  listen: "127.0.0.1:%d"\negress:\n  upstreams:\n' % self.port)
            for upstream in upstreams:
                out.write('    - name: %s\n      url: "%s"\n' % upstream)
            out.write('ask:\n  processes: 2\n  models:\n    - name: scripted\n      upstreams: [%s]\n'
                      '      compartments: [trial]\n' % ', '.join(name for name, _ in upstreams))

    def run(self, *arguments, want=0, wait_s=60):
        done = subprocess.run([self.stoplog, '--site', self.path, '--json', *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=wait_s, check=False)
        if want is not None and done.returncode != want:
            raise SystemExit('%s: status %d\n%s%s' % (' '.join(arguments), done.returncode,
                                                     done.stdout.decode()[-2000:], done.stderr.decode()[-2000:]))
        return [json.loads(line) for line in done.stdout.decode().splitlines() if line.startswith('{')]

    def up(self):
        """Starts the site; what this machine cannot give is accepted by name."""
        for _ in range(20):
            at = os.path.getsize(self.log) if os.path.exists(self.log) else 0
            with open(self.log, 'ab') as out:
                self.supervisor = subprocess.Popen([self.stoplog, '--site', self.path, 'up', *self.accept],
                                                   stdout=out, stderr=out)
            text = ''
            while 'the site is up' not in text and self.supervisor.poll() is None:
                time.sleep(0.05)
                with open(self.log, encoding='utf-8') as source:
                    source.seek(at)
                    text = source.read()
            if 'the site is up' in text:
                return
            missing = set(re.findall(r'--accept-missing ([a-z-]+)', text)) - set(self.accept)
            if not missing:
                raise SystemExit('the site did not come up:\n' + text[-3000:])
            for layer in sorted(missing):
                self.accept += ['--accept-missing', layer]
        raise SystemExit('the site did not come up')

    def prepare(self):
        signed = ['--key', self.operator]
        self.run('compartment', 'create', 'trial', *signed)
        self.run('grant', 'dana', 'trial', '--door', 'ask', '--purpose', 'research', '--until', '1d', *signed)
        return self.run('key', 'issue', 'dana', *signed)[-1]['summary']['key']

    def processes(self):
        """Those that serve now; nothing when nobody can be asked."""
        try:
            lines = self.run('status', want=None, wait_s=20)
        except subprocess.TimeoutExpired:
            return []
        return [line for line in lines if 'process' in line]

    def settle(self, seconds=60):
        end = time.time() + seconds
        while time.time() < end:
            found = self.processes()
            if found and all(p['state'] == 'serving' for p in found):
                return True
            time.sleep(0.2)
        return False

    def kill_site(self):
        self.supervisor.kill()
        self.supervisor.wait()
        self.up()

    def crashes(self):
        """What the supervisor said of processes that ended by a signal which nobody here sends."""
        with open(self.log, encoding='utf-8') as lines:
            ends = [line.strip() for line in lines if ' ended by signal ' in line]
        return [end for end in ends if int(end.rsplit(' ', 1)[1]) not in (signal.SIGKILL, signal.SIGTERM)]

    def leaves(self):
        """In the ledger's order, the event's own members and fields lifted beside each other."""
        found = []
        for line in self.run('ledger', 'export', wait_s=300):
            if 'leaf' in line:
                event = line['leaf']['event']
                found.append(dict(event, **event.get('fields', {})))
        return found

    def down(self):
        if self.supervisor is not None and self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
            try:
                self.supervisor.wait(60)
            except subprocess.TimeoutExpired:
                self.supervisor.kill()
                self.supervisor.wait()


def scripted_upstream(root, log, port=None):
    """The scripted model server on loopback: (process, port)."""
    port = port or free_port()
    server = subprocess.Popen(
        [sys.executable, root + '/tools/scripted-upstream/scripted-upstream', '--listen', '127.0.0.1:%d' % port,
         '--log', log, '--delay-ms', '1'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return server, port
