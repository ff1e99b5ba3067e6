"""What the machine, the processes and the people tell decides checks of a running site: each passes, is unknown before its
evidence and fails when what it asks about is spoiled.

usage: assured.py STOPLOG SOURCE_ROOT
"""
import os
import sys

from reciting_site import RecitingSite

problems = []


def expect(site, name, *states):
    found = site.check(name)
    if found[0] not in states:
        problems.append('%s: %s (%s), wanted %s' % (name, *found, ' or '.join(states)))


def until(site, name, state, wait_s=150):
    site.until(lambda: site.check(name)[0] == state, '%s is %s' % (name, state), wait_s)


def digest_of(site, kind, scope=None):
    found = [leaf for leaf in site.leaves(kind) if scope is None or leaf['scope'] == scope]
    return found[-1]['binary_digest' if scope is None else 'digest']


def approve(site, scope, digest):
    site.signed('attest', 'config.changed', scope, '--digest', digest)


def what_the_machine_tells(site):
    root = os.geteuid() == 0
    for name in ('host.no_cores', 'host.key_files', 'compartment.no_egress'):
        until(site, name, 'pass')
    for name in ('host.confined', 'compartment.isolated'):  # an ordinary user lacks layers, and it is said
        expect(site, name, 'pass' if root else 'fail')
    expect(site, 'host.two_persons', 'fail')  # this site has one operator
    for name in ('host.disk_sealed', 'host.swap_sealed'):  # as the machine is
        expect(site, name, 'pass', 'fail', 'unknown')
    expect(site, 'time.synced', 'pass', 'fail')


def what_people_tell(site):
    for name in ('build.running_signed', 'build.config_held', 'access.reviewed', 'ledger.reviewed'):
        expect(site, name, 'unknown')
    approve(site, 'program', digest_of(site, 'host.attested'))
    approve(site, 'configuration', digest_of(site, 'config.attested', 'configuration'))
    until(site, 'build.running_signed', 'pass')
    for line in site.run('grant', 'list'):
        if 'grant' in line:
            site.signed('attest', 'grant.reviewed', line['grant'], '--says', 'keep')
    compartment = next(line['id'] for line in site.run('compartment', 'list') if 'id' in line)
    site.signed('attest', 'trail.reviewed', compartment, '--count', '0')
    until(site, 'ledger.reviewed', 'pass')
    until(site, 'access.reviewed', 'pass')
    for bad in (('grant.reviewed', '0123456789abcdef', '--says', 'keep'), ('grant.reviewed', 'x', '--says', 'perhaps'),
                ('no.such', 'x'), ('trail.reviewed', 'x', '--says', 'much')):
        done = site.call('attest', *bad, '--key', site.key('alice'))
        if done.returncode == 0:
            problems.append('attested: ' + ' '.join(bad))


def what_is_spoiled(site):
    """Another digest is approved, and a key is opened to others: the next look, which an approval asks for, says so."""
    os.chmod(os.path.join(site.folder, 'state/ledgerd/ledger.key'), 0o644)
    approve(site, 'program', '0' * 63 + '1')
    until(site, 'build.running_signed', 'fail')
    until(site, 'host.key_files', 'fail')
    os.chmod(os.path.join(site.folder, 'state/ledgerd/ledger.key'), 0o600)


def main():
    with RecitingSite(sys.argv[1], sys.argv[2], witness=True) as site:
        site.up()
        site.until_open()
        site.fill()
        until(site, 'ledger.complete', 'pass')
        until(site, 'ledger.consistent', 'pass')
        for part in (what_the_machine_tells, what_people_tell, what_is_spoiled):
            part(site)
    for problem in problems:
        print('PROBLEM', problem)
    return 1 if problems else 0


sys.exit(main())
