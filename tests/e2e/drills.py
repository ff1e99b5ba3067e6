"""Every shipped drill against a running site: it passes; then its control is switched off, and the same drill
fails. A drill that cannot fail shows nothing.

usage: drills.py STOPLOG SOURCE_ROOT
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

STOPLOG, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
problems = []


class Site:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='stoplog-drills-')
        os.chmod(self.dir, 0o755)
        self.site = os.path.join(self.dir, 'site')
        self.front, self.leaky, self.plain = free_port(), free_port(), free_port()
        self.children = []
        self.supervisor = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def call(self, *args):
        return subprocess.run([STOPLOG, '--site', self.site, '--json', *args], timeout=120,
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
        with open(os.path.join(self.site, 'config.yml'), 'w', encoding='utf-8') as out:
            out.write('front:\n  listen: "127.0.0.1:%d"\negress:\n  upstreams:\n' % self.front)
            for name, port in (('leaky', self.leaky), ('plain', self.plain)):
                out.write('    - name: %s\n      url: "http://127.0.0.1:%d/v1"\n' % (name, port))
            out.write('ask:\n  models:\n')
            for name in ('leaky', 'plain'):
                out.write('    - name: %s\n      upstreams: [%s]\n      compartments: [trial]\n'
                          % (name, name))
        with open(os.path.join(self.site, 'policy/ingest.yml'), 'w', encoding='utf-8') as out:
            out.write('canaries: 2\n')
        with open(self.path('people.csv'), 'w', encoding='utf-8') as out:
            out.write('SUBJID,NAME,MRN\n' + ''.join(
                '%04d,Given Family%d,%08d\n' % (i, i, 70000000 + i) for i in range(40)))

    def up(self, again=False):
        command = [STOPLOG, '--site', self.site, 'up']
        if os.geteuid() != 0:
            for layer in ('uid', 'cgroup', 'user-ns', 'root', 'pid-ns', 'net-ns', 'ipc-ns', 'uts-ns',
                          'cgroup-ns', 'capabilities'):
                command += ['--accept-missing', layer]
        log = open(self.path('up.log'), 'ab')
        self.supervisor = subprocess.Popen(command, stdout=log, stderr=log)
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
                [sys.executable, ROOT + '/tools/scripted-upstream/scripted-upstream', '--listen',
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


def expect(title, found, status, **facts):
    code, line = found
    bad = {name: line.get('facts', {}).get(name) for name, state in facts.items()
           if line.get('facts', {}).get(name, {}).get('state') != state}
    if code != status or bad:
        problems.append('%s: exit %d, wanted %d; %s' % (title, code, status, json.dumps(line)))
    print('%s: %s' % (title, line.get('result')), flush=True)


HELD = {'no_effect': 'held', 'refused': 'held', 'signalled': 'held', 'contained': 'held'}


def chat(site, key, model='plain'):
    return ('--url', 'http://127.0.0.1:%d' % site.front, '--api-key', key, '--model', model)


def canary(site, key):
    planted = [word for value in site.canaries for word in ('--canary', value)]
    return site.drill('canary', *chat(site, key, 'leaky'), '--prompt', 'Go on', *planted)


def with_every_control(site):
    expect('canary', canary(site, site.principal('trudy')), 0, **HELD)
    expect('stolen_key', site.drill('stolen_key', *chat(site, site.principal('mallory', '--requests',
                                                                              '3/h'))), 0, **HELD)
    expect('keeper_probe', site.drill('keeper_probe', '--compartment', 'trial'), 0, **HELD)
    site.until(lambda: site.state() == 'open', 'the probe is back')
    for name in ('tamper_flip', 'tamper_truncate', 'tamper_rollback'):
        expect(name, site.drill(name), 0, **HELD)
        site.reopen()
    site.until(lambda: len(site.ended()) == 6, 'six results')
    gate = ('drill', 'gate')
    done = site.call(*gate)
    if done.returncode != 0:
        problems.append('the gate: %d %s' % (done.returncode, done.stdout))
    if site.call(*gate, '--max-mttc', '0').returncode != 0 or \
            site.call(*gate, '--max-age', '1ms').returncode != 5:
        problems.append('the gate takes an old result')
    for leaf in site.ended():
        done = site.call('drill', 'replay', str(leaf))
        if done.returncode != 0 or '"agrees":true' not in done.stdout:
            problems.append('replay %d: %d %s' % (leaf, done.returncode, done.stdout + done.stderr))
    report = subprocess.run([STOPLOG, '--site', site.site, 'drill', 'report'], capture_output=True,
                            text=True, timeout=60).stdout
    if report.count('| **pass** |') != 6:
        problems.append('the report: ' + report)


def without_the_watch(site):
    """A frozen watch: nothing is signalled, so nothing is contained."""
    keys = site.principal('trudy2'), site.principal('mallory2', '--requests', '3/h')
    watch = site.pid('watchd')
    os.kill(watch, signal.SIGSTOP)
    blind = dict(HELD, signalled='failed', contained='failed')
    expect('canary without the watch', canary(site, keys[0]), 1, **blind)
    expect('stolen_key without the watch', site.drill('stolen_key', *chat(site, keys[1])), 1, **blind)
    expect('keeper_probe without the watch', site.drill('keeper_probe'), 1, **blind)
    for name in ('tamper_flip', 'tamper_truncate', 'tamper_rollback'):
        expect(name + ' without the watch', site.drill(name), 1, **blind)
    site.until(lambda: site.call('drill', 'gate').returncode == 1, 'the gate sees failed drills')
    os.kill(watch, signal.SIGCONT)  # it lost nothing: what it says late still closes the site
    site.until(lambda: site.state() == 'closed', 'late, but contained')
    site.reopen()


NO_CONTROL = """version: 1
name: off
rules:
  - id: let-everything-pass
    why: this test switches the control off
    when:
      channel: [answer, tool_arguments, reasoning, refusal]
    then: allow
"""


def without_the_control(site):
    """The site as before, but its policy lets every answer pass, and the grant has no budget."""
    site.down()
    with open(os.path.join(site.site, 'policy/ask.yml'), 'w', encoding='utf-8') as out:
        out.write(NO_CONTROL)
    site.up(again=True)
    expect('canary without its rule', canary(site, site.principal('trudy3')), 1, no_effect='failed')
    found = site.drill('stolen_key', *chat(site, site.principal('mallory3')))
    expect('stolen_key without a budget', found, found[0], refused='failed')
    if found[0] == 0:
        problems.append('stolen_key passes without a budget')


def main():
    site = Site()
    try:
        site.make()
        site.up()
        site.data()
        for part in (with_every_control, without_the_watch, without_the_control):
            part(site)
    except BaseException:
        with open(site.path('up.log'), encoding='utf-8', errors='replace') as log:
            sys.stderr.write(log.read()[-3000:])
        raise
    finally:
        for child in site.children:
            child.terminate()
        site.down()
        shutil.rmtree(site.dir)
    for problem in problems:
        print('PROBLEM', problem)
    return 1 if problems else 0


sys.exit(main())
