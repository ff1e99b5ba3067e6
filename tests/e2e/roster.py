"""A roster, or an index of records, that was lost or damaged keeps the doors shut; operators have it made anew from the
sealed objects, and the door protects the same people again. Without their approval nothing is opened.

usage: roster.py STOPLOG SOURCE_ROOT
"""
import os
import sys

from reciting_site import RecitingSite


def start(site):
    """Starts a site that will not open."""
    at = os.path.getsize(site.log)
    site.begin()
    site.until(lambda: site.state() is not None, 'the warden answers', 120)
    site.until(lambda: 'stoplog object rebuild' in site.last_words(at), 'the door says what to do', 180)
    assert site.state() == 'closed', 'open without its roster'


def recited(site, key):
    """Does the planted record get out?"""
    answer = site.until(lambda: [a for a in [site.ask(key, 'Go on', 'leaky')] if a[0] == 200], 'an answer')[0]
    return any(value in answer[2] for value in site.canaries), answer


def rebuilt(site, what):
    """Refused without a signature and with a stranger's, done with an operator's."""
    roster = os.path.join(site.folder, 'state/roster/trial')
    index = roster + ':echo'
    alone = site.call('object', 'rebuild', 'trial')
    assert alone.returncode != 0, (what, 'rebuilt without an approval', alone.stdout)
    stranger = site.call('object', 'rebuild', 'trial', '--key', site.key('mallory'))
    assert stranger.returncode != 0, (what, 'rebuilt for a stranger', stranger.stdout)
    assert not site.leaves('roster.rebuilt')[site.rebuilt:], (what, 'a leaf without an act')
    done = site.call('object', 'rebuild', 'trial', '--key', site.key('alice'))
    assert done.returncode == 0, (what, done.stdout, done.stderr)
    site.until(lambda: site.state() == 'open', 'open again: ' + what, 180)
    assert os.path.exists(roster) and os.path.exists(index)
    with open(index, 'rb') as file:
        assert file.read() == site.index_bytes, (what, 'another index than the one that was')
    site.until(lambda: len(site.leaves('echo.rebuilt')) > site.rebuilt, 'the leaf of the index')
    assert site.leaves('echo.rebuilt')[-1]['objects'] == 1
    site.until(lambda: len(site.leaves('roster.rebuilt')) > site.rebuilt, 'the leaf of the rebuilding')
    leaf = site.leaves('roster.rebuilt')[-1]
    assert leaf['objects'] == 1, leaf
    site.rebuilt += 1
    again = site.call('object', 'rebuild', 'trial')
    assert again.returncode != 0, (what, 'one approval served twice', again.stdout)


def a_changed_object_is_told(site):
    """A byte of a sealed object is flipped while the site is down: reading it back says so, and the watch raises it."""
    site.until(lambda: site.leaves('seal.verified'), 'the object is read back')
    assert all(leaf['ok'] for leaf in site.leaves('seal.verified')), 'a whole object is said to be changed'
    site.down()
    folder = os.path.join(site.folder, 'vault/trial/people.csv/1')
    path = max((os.path.join(folder, name) for name in os.listdir(folder)), key=os.path.getsize)
    os.chmod(path, 0o644)
    with open(path, 'r+b') as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([255 - byte[0]]))
    site.up()
    site.until(lambda: not all(leaf['ok'] for leaf in site.leaves('seal.verified')), 'the changed object is told')
    site.until(lambda: any(leaf.get('rule') == 'seal_broken' for leaf in site.leaves('watch.signal')), 'the watch raises it')


def main():
    with RecitingSite(sys.argv[1], sys.argv[2]) as site:
        site.rebuilt = 0
        site.run('operator', 'key', site.key('mallory'))
        site.up()
        site.until_open()
        site.fill()
        roster = os.path.join(site.folder, 'state/roster/trial')
        index = roster + ':echo'
        with open(index, 'rb') as file:
            site.index_bytes = file.read()
        leaked, answer = recited(site, site.principal('trudy'))
        assert not leaked, answer
        for what, path in (('lost', roster), ('damaged', roster), ('index lost', index), ('index damaged', index)):
            site.down()
            os.chmod(path, 0o644)
            if what.endswith('lost'):
                os.unlink(path)
            else:
                with open(path, 'r+b') as file:
                    before = file.read()
                    file.seek(len(before) // 2)
                    file.write(bytes(255 - byte for byte in before[len(before) // 2:][:64]))
            start(site)
            rebuilt(site, what)
            leaked, answer = recited(site, site.principal('trudy-' + what.replace(' ', '-')))
            assert not leaked, (what, answer)
        a_changed_object_is_told(site)
    return 0


sys.exit(main())
