"""A whole site whose model recites what it must not: one compartment with planted records, the model "leaky" that
says one of them, the model "plain" that does not, a witness if asked for."""
import json
import os
import subprocess

from ports import free_port
from whole_site import Site


class RecitingSite(Site):
    def __init__(self, stoplog, root, witness=False):
        super().__init__(stoplog)
        self.root = os.path.abspath(root)
        self.leaky, self.plain = free_port(), free_port()
        self.make()
        self.configure([('leaky', 'http://127.0.0.1:%d/v1' % self.leaky),
                        ('plain', 'http://127.0.0.1:%d/v1' % self.plain)],
                       [('leaky', ['leaky']), ('plain', ['plain'])], self.start_witness() if witness else '')
        with open(os.path.join(self.folder, 'policy/ingest.yml'), 'w', encoding='utf-8') as out:
            out.write('canaries: 2\n')

    def start_witness(self):
        """A witness of its own key, and what config.yml must say of it."""
        port = free_port()
        serve = [self.stoplog, 'ledger', 'witness']
        named = ['--name', 'w.example/1', '--key-file', self.file('w.pem')]
        key = subprocess.run(serve + ['key'] + named, capture_output=True, text=True, check=True).stdout.strip()
        with open(os.path.join(self.folder, 'ledger/vkey'), encoding='utf-8') as file:
            log_key = file.read().strip()
        self.children.append(subprocess.Popen(
            serve + ['serve'] + named + ['--state', self.file('w'), '--listen', '127.0.0.1:%d' % port,
                                         '--log', log_key], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return 'ledger:\n  witness_every: 1s\n  witnesses:\n    - key: "%s"\n      url: "http://127.0.0.1:%d"\n' % (
            key, port)

    def fill(self):
        """Puts records with planted ones among them into the compartment, and in the leaky model's mouth."""
        people = self.write('people.csv', 'SUBJID,NAME,MRN\n' + ''.join(
            '%04d,Given Family%d,%08d\n' % (i, i, 70000000 + i) for i in range(40)))
        self.create()
        self.signed('grant', 'carl', 'trial', '--door', 'ingest', '--purpose', 'research', '--until', '1d',
                    '--records', '100000/d')
        self.until(lambda: self.call('ingest', 'trial', people).returncode == 0, 'ingest')
        planted = self.run('object', 'canaries', 'trial', 'people.csv')[0]
        self.canaries = [planted['name'], planted['mrn']]
        self.upstream(self.root, self.leaky, self.write('script.json', json.dumps(
            [{'text': 'The record says: ' + planted['text'] + ' and so on.'}])))
        self.upstream(self.root, self.plain)

    def up_again(self):
        """Starts a site that signals of the last minutes may close once more; operators open it."""
        self.up()
        self.until(lambda: self.state() is not None, 'the warden answers')
        self.reopen()

    def reopen(self):
        """What was closed is opened again by an operator, as often as it takes: late signals close again."""
        def undo():
            for line in self.run('incident', 'list'):
                if line.get('state') == 'contained' and line.get('rule') == 'proof_failed':
                    self.call('incident', 'undo', line['incident'], '--key', self.key('alice'))
            return self.state() == 'open'
        self.until(undo, 'open again')

    def drill(self, name, *arguments):
        done = self.call('drill', 'run', name, *arguments)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
        return done.returncode, lines[0] if lines else {'error': done.stderr}
