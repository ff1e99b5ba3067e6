"""What a site buys in, end to end, with two operators and a quorum of two: a held artefact comes in when
both signed for these bytes and this compartment, and no other does; the register of vendors, its exceptions
and what it makes of the shadow list. Every claim is read from answers of commands.

usage: supply.py STOPLOG
"""
import hashlib
import json
import os
import struct
import subprocess
import sys
import time

from vault import PASSPHRASE, TwoPersons

STOPLOG = sys.argv[1]

HELD = b'\x80\x02cacme.models\nNet\n.'
OTHER = b'\x80\x02cacme.models\nNot\n.'
BAD = b'\x80\x02cos\nsystem\nX\x0a\0\0\0echo inert\x85R.'


class Supply(TwoPersons):
    def ingest(self, compartment, path, want=0):
        done = self.call('ingest', compartment, path)
        assert done.returncode == want, (path, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def inventory(self, *args, want=0):
        return self.run('inventory', *args, want=want)

    def scanned(self):
        return self.leaves('artefact.scanned')

    def both(self, *args):
        """One operator asks, the other approves; what the command said at first."""
        line = self.signed(*args, want=1)[-1]
        assert line['summary']['state'] == 'pending', line
        assert self.approve('bob')['state'] == 'approved'


def safetensors():
    head = json.dumps({'w': {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]}}).encode()
    head += b' ' * (-len(head) % 8)
    return struct.pack('<Q', len(head)) + head + bytes(4)


def prepare(site):
    site.unlock(PASSPHRASE)
    for compartment in ('c', 'd'):
        site.signed('compartment', 'create', compartment)
        site.signed('grant', 'loader', compartment, '--door', 'ingest', '--purpose', 'study', '--until', '30d')
    site.until(lambda: site.compartment()['keys_made'], 'keys made')
    site.until(lambda: len(site.leaves('key.created')) == 2, 'keys of both')


def a_pack_that_nobody_signed_stops_the_door(site):
    table = site.write('table.csv', b'a,b\n1,2\n')
    pack = os.path.join(site.folder, 'policy', 'scan.pack')
    with open(pack, 'wb') as out:
        out.write(b'pack 2099.01.01\ncall os.system\n')
    told = site.ingest('c', table, want=3)
    assert 'E_CONFIG' in told, told
    os.remove(pack)
    site.ingest('c', table)


def held_until_two_let_it_in(site):
    held = site.write('net.pkl', HELD)
    other = site.write('not.pkl', OTHER)
    bad = site.write('bad.pkl', BAD)
    digest = hashlib.sha256(HELD).hexdigest()
    assert 'E_HELD' in site.ingest('c', held, want=1)
    site.ingest('c', bad, want=1)
    waits = site.inventory('held')
    assert [line['digest'] for line in waits[:-1]] == [digest], waits
    assert waits[0]['rules'] == 'pickle.global_unknown 1' and waits[0]['compartment'] == 'c'
    # One signature lets nothing in; nor can anything that is refused be let in.
    line = site.run('inventory', 'admit', digest[:16], 'c', '--until', '1h', '--key', site.key('alice'),
                    want=1)[-1]
    assert line['summary']['need'] == 2
    site.ingest('c', held, want=1)
    assert site.approve('bob')['state'] == 'approved'
    site.ingest('c', held)
    site.ingest('c', other, want=1)
    site.ingest('d', held, want=1)
    site.inventory('admit', hashlib.sha256(BAD).hexdigest()[:16], 'c', '--until', '1h', '--key',
                   site.key('alice'), want=1)
    site.inventory('admit', digest[:16], 'c', '--until', '90d', '--key', site.key('alice'), want=3)
    site.until(lambda: len(site.scanned()) == 6, 'a leaf of every time that an artefact came')
    let_in = [fields for fields in site.scanned() if 'admission' in fields]
    assert len(let_in) == 1 and let_in[0]['digest'] == digest
    # Taken back by one, it is held again; what is inside stays listed.
    site.inventory('withdraw', digest[:16], 'c', '--key', site.key('alice'))
    site.ingest('c', held, want=1)


def vendors_and_the_shadow(site):
    weights = site.write('w.safetensors', safetensors())
    site.ingest('d', weights)
    shadow = site.inventory('diff', want=1)  # waits for what was just written
    assert shadow[-1]['summary'] == {'seen': 2, 'registered': 0, 'shadow': 2, 'ownerless': 0}, shadow
    alice = ('--key', site.key('alice'))
    site.inventory('vendor', 'evidence', 'acme', 'soc2', '--until', '90d', *alice, want=3)
    site.inventory('vendor', 'add', 'acme', '--tier', 'high', '--data', 'confidential', *alice)
    site.inventory('vendor', 'artefact', 'acme', 'w', weights, *alice)
    site.inventory('vendor', 'artefact', 'acme', 'net', site.file('net.pkl'), *alice)
    site.inventory('vendor', 'evidence', 'acme', 'soc2', '--until', '90d', *alice)
    site.both('inventory', 'vendor', 'exception', 'acme', 'no-sbom', '--owner', 'bob', '--until', '30d')
    whole = site.inventory('diff')
    assert whole[-1]['summary'] == {'seen': 2, 'registered': 2, 'shadow': 0, 'ownerless': 0}, whole
    site.until(lambda: [leaf['shadow'] for leaf in site.leaves('inventory.compared')] == [2, 0],
               'both comparisons are leaves')
    lines = site.inventory('vendor', 'show', 'acme')
    assert lines[-1]['summary'] == {'vendors': 1, 'items': 4, 'ended': 0}, lines
    before = len(site.scanned())
    site.ingest('d', weights)
    site.until(lambda: len(site.scanned()) == before + 1, 'the leaf of the weights')
    newest = site.scanned()[-1]
    assert newest['registered'] is True and newest['vendor'] == 'acme', newest
    site.inventory('vendor', 'remove', 'acme', *alice)
    assert site.inventory('vendor', 'list')[-1]['summary']['items'] == 0


def drift_is_told(site):
    """Each way in which a model can stop being what the register says, and what the watch makes of it."""
    alice = ('--key', site.key('alice'))
    model = site.file('model')
    os.mkdir(model)
    site.write('model/w.safetensors', safetensors())
    site.write('model/tokenizer_config.json', b'{"chat_template":"{{ messages }}"}')
    keys = {}
    for name in ('maker', 'other'):
        private, public = (site.file(name + end) for end in ('.ec', '.pub'))
        subprocess.run(['openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', private], check=True)
        subprocess.run(['openssl', 'ec', '-in', private, '-pubout', '-out', public], check=True,
                       stderr=subprocess.DEVNULL)
        keys[name] = (private, public)

    def sign(who):
        subprocess.run([STOPLOG, 'sign', model, '--key', keys[who][0]], check=True, stdout=subprocess.DEVNULL)

    def check(*more, want=1, key='maker'):
        return site.inventory('check', '--register', model, '--key', keys[key][1], *more, want=want)[-1]['summary']

    assert check()['drift'] == ['not registered', 'unsigned']
    sign('maker')
    site.inventory('vendor', 'add', 'acme', '--tier', 'high', '--data', 'internal', *alice)
    site.inventory('vendor', 'artefact', 'acme', 'model', model, '--signer', keys['maker'][1], *alice)
    site.inventory('vendor', 'template', 'acme', 'model', model, *alice)
    site.inventory('vendor', 'artefact', 'acme', 'files', model, '--files', *alice)
    names = [line['name'] for line in site.inventory('vendor', 'show', 'acme') if line.get('kind') == 'artefact']
    assert names == ['model', 'files', 'files/tokenizer_config.json', 'files/w.safetensors'], names
    whole = check(want=0)
    assert whole == {'artefact': 'acme/model', 'pinned': True, 'signature_ok': True, 'drift': []}, whole
    sign('other')
    assert check()['drift'] == ['signed by another']
    assert check(key='other')['drift'] == ['signer changed']
    os.unlink(model + '.sig')
    assert check()['drift'] == ['unsigned']
    site.write('model/tokenizer_config.json', b'{"chat_template":"{{ messages }} and obey"}')
    sign('maker')
    assert check()['drift'] == ['bytes changed', 'template changed']
    site.until(lambda: [leaf['drift'] for leaf in site.leaves('vendor.checked')] ==
               [True, False, True, True, True, True], 'each comparison is a leaf')
    site.until(lambda: any(leaf.get('rule') == 'vendor_drift' for leaf in site.leaves('watch.signal')),
               'the watch raises it')
    site.inventory('vendor', 'remove', 'acme', *alice)


def vulnerabilities_are_told(site):
    """Exploited and critical flaws of what a model depends on, as the leaf that vendor.vulns asks for."""
    def advisory(ident, cve, **more):
        return dict({'id': ident, 'aliases': [cve], 'modified': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
                     'published': '2020-01-01T00:00:00Z', 'summary': 'a flaw',
                     'affected': [{'package': {'ecosystem': 'PyPI', 'name': 'acme'}, 'versions': ['1.0']}]}, **more)

    os.mkdir(site.file('osv'))
    low = [{'type': 'CVSS_V3', 'score': 'CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N'}]
    for name, record in (('a', advisory('T-1', 'CVE-2020-1', severity=low)), ('b', advisory('T-2', 'CVE-2020-2'))):
        site.write('osv/%s.json' % name, json.dumps(record).encode())
    known = site.write('known.json', b'{"vulnerabilities":[{"cveID":"CVE-2020-1"}]}')
    none = site.write('none.json', b'{"vulnerabilities":[]}')
    wanted = site.write('requirements.txt', b'acme==1.0\n')
    site.inventory('update', '--from', site.file('osv'))
    site.inventory('check', wanted, '--record', 'acme', want=3)  # which are exploited was not told
    site.inventory('check', wanted, '--record', 'acme', '--exploited', known, want=1)
    site.inventory('check', wanted, '--record', 'acme', '--exploited', none, want=1)
    site.until(lambda: len(site.leaves('bom.scanned')) == 2, 'both leaves')
    told = site.leaves('bom.scanned')
    # One is harmless but exploited; of the other nobody says how bad it is, so it counts as critical.
    assert [(f['open_kev'], f['open_critical']) for f in told] == [(1, 1), (0, 1)], told
    assert all(f['oldest_days'] > 2000 for f in told), told


HOLD = """import mmap, sys
file = open(sys.argv[1], 'rb')
held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print('holds it', flush=True)
sys.stdin.read()
"""


def a_loaded_model_is_compared(site):
    """A harmless process maps the file, as a model server does."""
    def loaded(path, *more, want):
        with subprocess.Popen([sys.executable, '-c', HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as server:
            assert server.stdout.readline() == 'holds it\n'
            lines = site.run('verify', '--loaded', str(server.pid), *more, want=want)
            server.stdin.close()
        return lines

    weights = site.file('w.safetensors')
    site.run('inventory', 'vendor', 'add', 'acme', '--tier', 'low', '--data', 'none', '--key', site.key('alice'))
    site.run('inventory', 'vendor', 'artefact', 'acme', 'w.safetensors', weights, '--key', site.key('alice'))
    lines = loaded(weights, '--artefact', 'w.safetensors', '--record', want=0)
    assert lines[0]['result'] == 'same' and lines[0]['known_as'] == 'acme/w.safetensors', lines
    os.mkdir(site.file('other'))
    false = site.write('other/w.safetensors', safetensors() + b'x')
    lines = loaded(false, '--artefact', 'acme/w.safetensors', want=4)
    assert lines[0]['result'] == 'differs' and lines[-1]['summary']['missing'] is True, lines
    lines = loaded(site.write('net.bin', OTHER), want=4)
    assert lines[0]['result'] == 'not in ledger', lines
    assert loaded(site.write('plain.txt', b'nothing'), want=5)[-1]['summary']['same'] == 0
    lines = site.run('verify', '--loaded', weights, '--artefact', 'acme/w.safetensors')
    assert lines[0]['result'] == 'same', lines
    site.run('verify', '--loaded', weights, '--artefact', 'nobody', want=3)
    site.until(lambda: [leaf['signature_ok'] for leaf in site.leaves('model.loaded')] == [True],
               'the leaf of the loaded model')


def main():
    with Supply(STOPLOG) as site:
        site.up()
        site.until_open()
        for check in (prepare, a_pack_that_nobody_signed_stops_the_door, held_until_two_let_it_in, vendors_and_the_shadow,
                      drift_is_told, vulnerabilities_are_told, a_loaded_model_is_compared):
            check(site)
            print('ok', check.__name__)


main()
