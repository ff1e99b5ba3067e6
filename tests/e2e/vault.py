"""A site's vault end to end: two operators, a compartment from its creation to its shredding, keys and
grants, a locked vault after the keeper's death. Every claim is read from the commands' answers and
from the ledger, which is verified at the end.

usage: vault.py STOPLOG
"""
import json
import os
import re
import signal
import sys
import time

from whole_site import Site

PASSPHRASE = 'a long passphrase of this test'
DELAY_S = 2


class TwoPersons(Site):
    """A site of two operators who must agree, whose keys open with a passphrase."""

    def __init__(self, stoplog):
        super().__init__(stoplog)
        secret = self.write('passphrase', PASSPHRASE + '\n')
        self.make(('alice', 'bob'), ('--quorum', '2', '--delay', str(DELAY_S), '--passphrase-file', secret))

    def compartment(self):
        return self.run('compartment', 'show', 'c')[-1]

    def unlock(self, passphrase, want=0):
        return self.run('unlock', want=want, secret=passphrase + '\n')

    def approve(self, person):
        """The one action that waits."""
        action = self.run('approve')[0]['action']
        return self.signed('approve', action[:16], by=person)[-1]['summary']


def check_locked(site):
    site.signed('compartment', 'create', 'c')
    assert not site.compartment()['keys_made'], 'keys without a passphrase'
    site.unlock('not the passphrase', want=1)
    assert not site.compartment()['keys_made'], 'keys for a wrong passphrase'
    site.unlock(PASSPHRASE)
    site.until(lambda: site.compartment()['keys_made'], 'keys made')
    site.until(lambda: len(site.leaves('key.created')) == 1, 'the leaf of the keys')


def check_keys(site):
    line = site.signed('key', 'issue', 'somebody')[-1]['summary']
    assert re.fullmatch(r'slg_[A-Za-z0-9_-]{56}', line['key'])
    site.signed('grant', 'somebody', 'c', '--door', 'ask', '--purpose', 'study', '--until', '30d', '--requests', '10/h',
                by='bob')
    grant = site.run('grant', 'list')[0]
    assert grant['principal'] == line['principal'] and grant['requests_h'] == 10
    site.signed('revoke', grant['grant'])
    assert site.run('grant', 'list')[0]['revoked']
    site.signed('key', 'revoke', line['id'])
    assert site.run('key', 'list')[0]['revoked']
    site.until(lambda: len(site.leaves('action.approved')) == 5, 'five actions published')
    everything = json.dumps(site.leaves('action.approved'))
    assert 'somebody' not in everything and line['key'] not in everything


def check_death(site):
    pid = site.pid('keeper')
    os.kill(pid, signal.SIGKILL)
    site.until(lambda: site.pid('keeper') not in (None, pid), 'the keeper again')
    site.until_open()
    site.unlock(PASSPHRASE)


def check_two_persons(site):
    site.signed('compartment', 'seal', 'c')
    assert site.compartment()['state'] == 'sealed'
    waits = site.signed('compartment', 'unseal', 'c', want=1)[-1]
    assert waits['summary']['state'] == 'pending' and waits['summary']['need'] == 2
    again = site.signed('approve', waits['summary']['action'][:16], want=1)
    assert again[-1]['summary']['have'] == 1, 'one person counted twice'
    assert site.approve('bob')['state'] == 'approved'
    assert site.compartment()['state'] == 'closed'
    site.signed('compartment', 'open', 'c')
    assert site.compartment()['state'] == 'open'


def check_destruction(site):
    both = ['--key', site.key('alice'), '--key', site.key('bob')]
    site.run('compartment', 'shred', 'c', *both)
    assert site.compartment()['state'] == 'sealed', 'seal before shred'
    site.signed('compartment', 'shred-cancel', 'c', by='bob')
    time.sleep(DELAY_S + 0.5)
    assert site.compartment()['state'] == 'sealed', 'cancelled, and destroyed all the same'
    ordered = time.monotonic()
    site.run('compartment', 'shred', 'c', *both)
    site.until(lambda: site.compartment()['state'] == 'shredded', 'shredded')
    assert time.monotonic() - ordered >= DELAY_S, 'before its delay'
    site.until(lambda: site.leaves('key.destroyed'), 'the leaf of the destruction')
    destroyed = site.leaves('key.destroyed')
    assert len(destroyed) == 1 and destroyed[0]['proved'] is True
    assert destroyed[0]['by'] == 'keeper'
    assert os.listdir(os.path.join(site.folder, 'state', 'keeper', 'kms')) == []
    site.run('compartment', 'unseal', 'c', *both, want=1)
    site.run('compartment', 'create', 'c', *both, want=3)


def main():
    with TwoPersons(sys.argv[1]) as site:
        site.up()
        site.until_open()
        for check in (check_locked, check_keys, check_death, check_two_persons, check_destruction):
            check(site)
            print('ok', check.__name__)
        site.down()
        site.run('ledger', 'verify', os.path.join(site.folder, 'ledger'))


if __name__ == '__main__':
    main()
