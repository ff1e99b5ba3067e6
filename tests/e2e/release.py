"""What leaves a compartment, end to end, with two operators and a quorum of two: it is inspected, lies sealed, and
comes out once, bit for bit, after somebody else's signature; whoever asked cannot let it out; what is dangerous or
holds a planted key never waits; closing stops it at once. Every claim is read from answers of commands, from the
files that were written and from the ledger.

usage: release.py STOPLOG
"""
import hashlib
import json
import os
import signal
import subprocess
import sys

from vault import PASSPHRASE, TwoPersons

NOTE = b'Visit report.\nThe patient Maynard Mosciski, born 12 March 1951, SSN 999-17-5017, came on 4 May 2021.\n'
TABLE = b'arm,mean,sd\nA,12.5,3.1\nB,11.9,2.8\n'
BAD = b'\x80\x02cos\nsystem\nX\x0a\0\0\0echo inert\x85R.'


class Release(TwoPersons):
    def ask_out(self, compartment, path, *more):
        return self.signed('release', compartment, path, *more, want=1)[-1]

    def refused(self, code, *args):
        done = self.call(*args)
        assert done.returncode != 0 and code in done.stdout + done.stderr, (args, done.returncode, done.stdout,
                                                                            done.stderr)

    def told(self, *args):
        """What a person is told, in words."""
        return subprocess.run([self.stoplog, '--site', self.folder, *args], check=False, capture_output=True, text=True,
                              timeout=120)

    def shown(self, ident):
        return self.run('release', 'show', ident)[0]

    def held_files(self):
        found = []
        for _, _, names in os.walk(os.path.join(self.folder, 'state', 'held')):
            found += names
        return found


def prepare(site):
    site.unlock(PASSPHRASE)
    for compartment in ('c', 'd'):
        site.run('compartment', 'create', compartment, '--key', site.key('alice'))
    site.until(lambda: site.compartment()['keys_made'], 'keys made')
    note = site.write('early.txt', NOTE)
    site.refused('E_NO_GRANT', 'release', 'c', note, '--key', site.key('alice'))
    site.run('grant', 'checker', 'c', '--door', 'release', '--purpose', 'results', '--until', '30d',
             '--key', site.key('alice'))


def held_until_another_lets_it_out(site):
    out = site.file('out.txt')
    note = site.write('note.txt', NOTE)
    held = site.ask_out('c', note, '--as', 'report')
    ident = held['id']
    assert held['state'] == 'held' and held['verdict'] == 'hold' and held['label'] == 'report', held
    assert held['classes'].get('ssn', 0) >= 1 and held['scan'] == 'clean', held
    assert held['asked_by'] == 'alice' and site.held_files(), held
    site.refused('E_APPROVAL', 'release', 'take', ident, out)
    site.refused('E_APPROVAL', 'release', 'approve', ident[:12], '--key', site.key('alice'))
    site.refused('E_APPROVAL', 'release', 'take', ident, out)
    # The file may change now: what lies sealed is what was inspected.
    site.write('note.txt', b'something else')
    site.run('release', 'approve', ident[:12], '--key', site.key('bob'))
    site.write('taken.txt', b'mine')
    site.refused('E_EXISTS', 'release', 'take', ident, site.file('taken.txt'))
    told = site.run('release', 'take', ident, out)[-1]
    with open(out, 'rb') as source:
        assert source.read() == NOTE
    assert told['digest'] == hashlib.sha256(NOTE).hexdigest() and told['bytes'] == len(NOTE)
    # Once.
    site.refused('E_APPROVAL', 'release', 'take', ident, out + '.again')
    again = site.told('release', 'take', ident, out + '.again')
    assert 'it was taken already on 20' in again.stderr and 'let out by bob' in again.stderr, again.stderr
    assert not os.path.exists(out + '.again')
    assert not [name for name in os.listdir(site.directory) if name.endswith('.part')]
    assert site.shown(ident)['times_out'] == 1
    site.until(lambda: len(site.leaves('release.outcome')) == 2, 'the outcomes')  # one without a grant
    outcome = site.leaves('release.outcome')[-1]
    assert outcome['outcome'] == 'released' and outcome['persons'] == 2 and len(outcome['approvals']) == 1, outcome
    assert outcome['digest'] == told['digest']
    everything = json.dumps(site.leaves('release.intent') + site.leaves('release.held') + site.leaves('release.scanned'))
    assert 'Mosciski' not in everything and hashlib.sha256(NOTE).hexdigest() not in everything
    site.run('release', 'reject', ident, '--key', site.key('alice'))
    assert not site.held_files() and site.shown(ident)['outcome'] == 'rejected'


def who_may_let_it_out_reads_it_first(site):
    note = site.write('read.txt', NOTE + b'A co\xc2\xadoperative patient.\n')
    ident = site.ask_out('c', note)['id']
    site.refused('E_APPROVAL', 'release', 'review', ident, '--key', site.key('alice'))
    shown = len(site.leaves('release.shown'))
    told = site.told('release', 'review', ident, '--key', site.key('bob'))
    assert told.returncode == 0, told
    assert '[ssn: 999-17-5017]' in told.stdout and 'that is all of its text' in told.stdout, told.stdout
    assert '\u00ad' not in told.stdout and 'co<U+00AD>operative' in told.stdout, told.stdout
    site.until(lambda: len(site.leaves('release.shown')) == shown + 1, 'the leaf')
    leaf = site.leaves('release.shown')[-1]
    assert leaf['object'] == ident and leaf['marks'] >= 1 and leaf['complete'], leaf
    lines = site.signed('release', 'review', ident, by='bob')  # each time with a signature of its own
    texts = [line for line in lines if 'text' in line]
    assert any(mark['class'] == 'ssn' and line['text'].encode()[mark['start']:mark['end']] == b'999-17-5017'
               for line in texts for mark in line['marks']), lines
    assert site.shown(ident)['state'] == 'held' and site.shown(ident)['times_out'] == 0
    assert 'Mosciski' not in json.dumps(site.leaves('release.shown'))
    site.run('release', 'reject', ident, '--key', site.key('bob'))
    site.refused('E_', 'release', 'review', ident, '--key', site.key('bob'))


def rejected_is_destroyed(site):
    ident = site.ask_out('c', site.write('table.csv', TABLE))['id']
    told = site.told('release', 'review', ident, '--key', site.key('bob'))
    assert '\narm | mean | sd\nA | 12.5 | 3.1\nB | 11.9 | 2.8\n' in told.stdout, told.stdout
    assert site.held_files()
    site.run('release', 'reject', ident, '--key', site.key('bob'))
    assert not site.held_files() and site.shown(ident)['state'] == 'ended'
    site.refused('E_REFUSED', 'release', 'approve', ident, '--key', site.key('bob'))


def dangerous_never_waits(site):
    site.refused('E_ARTEFACT', 'release', 'c', site.write('bad.pkl', BAD), '--key', site.key('alice'))
    site.refused('E_TYPE', 'release', 'c', site.write('no-model.csv', TABLE), '--model', '--key', site.key('alice'))
    site.refused('E_APPROVAL', 'release', 'c', site.write('t.csv', TABLE), '--key', site.key('alice'), '--key',
                 site.key('bob'))
    assert not site.held_files()


def closing_stops_it(site):
    out = site.file('closed.csv')
    ident = site.ask_out('c', site.write('table.csv', TABLE))['id']
    site.run('release', 'approve', ident, '--key', site.key('bob'))
    site.run('compartment', 'close', 'c', '--key', site.key('alice'))
    site.refused('E_APPROVAL', 'release', 'take', ident, out)
    site.refused('E_', 'release', 'c', site.write('table2.csv', TABLE), '--key', site.key('alice'))
    site.run('compartment', 'open', 'c', '--key', site.key('alice'))
    # An approval from before it was closed is void.
    site.refused('E_APPROVAL', 'release', 'take', ident, out)
    assert not os.path.exists(out)


def a_table_with_a_small_count_stays(site):
    counted = site.write('counted.csv', b'arm,n,mean\nA,40,12.5\nB,3,11.9\n')
    rule = os.path.join(site.folder, 'policy', 'release.yml')
    with open(rule, 'w', encoding='ascii') as policy:
        policy.write('min_cell: 5\n')
    site.refused('E_REFUSED', 'release', 'c', counted, '--key', site.key('alice'))
    kept = site.ask_out('c', site.write('table.csv', TABLE))['id']
    site.until(lambda: len(site.leaves('release.disclosure')) == 2, 'the leaves')
    verdicts = [(leaf['verdict'], leaf['small'], leaf['min_cell']) for leaf in site.leaves('release.disclosure')]
    assert verdicts == [('refuse', 1, 5), ('allow', 0, 5)], verdicts
    # A rule that cannot be read lets nothing by.
    with open(rule, 'w', encoding='ascii') as policy:
        policy.write('min_cel: 5\n')
    site.refused('E_', 'release', 'c', counted, '--key', site.key('alice'))
    os.unlink(rule)
    site.run('release', 'reject', kept, '--key', site.key('bob'))


def a_sealed_object_goes_the_same_way(site):
    site.signed('grant', 'loader', 'c', '--door', 'ingest', '--purpose', 'study', '--until', '30d')
    rows = 'USUBJID,FIRST,LAST,SSN,AGE\n' + ''.join(
        '01-701-%d,Maynard,Mosciski,999-17-%04d,63\n' % (1015 + i, 5017 + i) for i in range(5000))
    site.run('ingest', 'c', site.write('subjects.csv', rows))
    held = site.signed('object', 'export', 'c', 'subjects.csv', want=1)[-1]
    assert held['state'] == 'held' and held['kind'] == 'object' and held['bytes'] == len(rows), held
    assert held['classes']['ssn'] >= 5000 and not site.held_files(), held
    out = site.file('exported.csv')
    site.refused('E_APPROVAL', 'release', 'take', held['id'], out)
    site.refused('E_APPROVAL', 'release', 'approve', held['id'], '--key', site.key('alice'))
    site.run('release', 'approve', held['id'], '--key', site.key('bob'))
    site.run('release', 'take', held['id'], out)
    with open(out, encoding='ascii') as source:
        assert source.read() == rows
    site.run('release', 'reject', held['id'], '--key', site.key('bob'))
    site.run('object', 'verify', 'c', 'subjects.csv')  # what lies in the vault stays


def a_killed_door_begins_where_it_was(site):
    ident = site.ask_out('c', site.write('table.csv', TABLE))['id']
    waits = site.ask_out('c', site.write('note2.txt', NOTE))['id']
    over = site.ask_out('c', site.write('note3.txt', NOTE))['id']
    site.run('release', 'approve', ident, '--key', site.key('bob'))
    pid = site.pid('release')
    os.kill(pid, signal.SIGKILL)
    site.until(lambda: site.pid('release') not in (None, pid), 'the door again')
    out = site.file('after.csv')
    site.until(lambda: site.call('release', 'take', ident, out).returncode == 0, 'what was approved comes out')
    with open(out, 'rb') as source:
        assert source.read() == TABLE
    # What waited waits on, is read, let out and turned down as before.
    assert site.shown(waits)['state'] == site.shown(over)['state'] == 'held'
    assert any('text' in line for line in site.signed('release', 'review', waits, by='bob'))
    site.run('release', 'reject', over, '--key', site.key('bob'))
    assert site.shown(over)['outcome'] == 'rejected'
    site.run('release', 'approve', waits, '--key', site.key('bob'))
    site.run('release', 'take', waits, site.file('waited.txt'))
    with open(site.file('waited.txt'), 'rb') as source:
        assert source.read() == NOTE


def main():
    with Release(sys.argv[1]) as site:
        site.up()
        site.until_open()
        for check in (prepare, held_until_another_lets_it_out, who_may_let_it_out_reads_it_first,
                      rejected_is_destroyed, dangerous_never_waits, a_table_with_a_small_count_stays,
                      a_sealed_object_goes_the_same_way, closing_stops_it, a_killed_door_begins_where_it_was):
            check(site)
            print('ok', check.__name__, flush=True)
        assert not site.crashes(), site.crashes()


if __name__ == '__main__':
    main()
