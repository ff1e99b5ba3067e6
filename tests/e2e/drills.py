"""Every shipped drill against a running site: it passes; then its control is switched off, and the same drill
fails. A drill that cannot fail shows nothing.

usage: drills.py STOPLOG SOURCE_ROOT
"""
import json
import os
import signal
import subprocess
import sys

from reciting_site import RecitingSite

problems = []


def expect(title, found, status, **facts):
    code, line = found
    bad = {name: line.get('facts', {}).get(name) for name, state in facts.items()
           if line.get('facts', {}).get(name, {}).get('state') != state}
    if code != status or bad:
        problems.append('%s: exit %d, wanted %d; %s' % (title, code, status, json.dumps(line)))
    print('%s: %s' % (title, line.get('result')), flush=True)


HELD = {'no_effect': 'held', 'refused': 'held', 'signalled': 'held', 'contained': 'held'}


def chat(site, key, model='plain'):
    return ('--url', 'http://127.0.0.1:%d' % site.port, '--api-key', key, '--model', model)


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
    site.until(lambda: len(site.leaves('drill.ended')) == 6, 'six results')
    # Of the checks one is named: what else the machine lacks (an encrypted disk, a second person) is not of the drills.
    gate = ('drill', 'gate', '--check', 'ledger.complete')
    site.until(lambda: site.check('ledger.complete')[0] == 'pass', 'both sides counted', 180)
    done = site.call(*gate)
    if done.returncode != 0:
        problems.append('the gate: %d %s' % (done.returncode, done.stdout))
    if site.call(*gate, '--max-mttc', '0').returncode != 0 or \
            site.call(*gate, '--max-age', '1ms').returncode != 5:
        problems.append('the gate takes an old result')
    for leaf in site.leaves('drill.ended'):
        done = site.call('drill', 'replay', str(leaf['index']))
        if done.returncode != 0 or '"agrees":true' not in done.stdout:
            problems.append('replay %d: %d %s' % (leaf['index'], done.returncode, done.stdout + done.stderr))
    report = subprocess.run([site.stoplog, '--site', site.folder, 'drill', 'report'], capture_output=True,
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
    with open(os.path.join(site.folder, 'policy/ask.yml'), 'w', encoding='utf-8') as out:
        out.write(NO_CONTROL)
    site.up_again()
    expect('canary without its rule', canary(site, site.principal('trudy3')), 1, no_effect='failed')
    found = site.drill('stolen_key', *chat(site, site.principal('mallory3')))
    expect('stolen_key without a budget', found, found[0], refused='failed')
    if found[0] == 0:
        problems.append('stolen_key passes without a budget')


def main():
    with RecitingSite(sys.argv[1], sys.argv[2]) as site:
        site.up()
        site.until_open()
        site.fill()
        for part in (with_every_control, without_the_watch, without_the_control):
            part(site)
    for problem in problems:
        print('PROBLEM', problem)
    return 1 if problems else 0


sys.exit(main())
