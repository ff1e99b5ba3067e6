"""Holds our OSCAL documents against NIST's JSON schema: one of a fixture with observations, one of a new site. Skips
(77) where the schema or the validator is not there.

usage: validate_oscal.py TEST_POSTURE STOPLOG SOURCE_ROOT
"""
import copy
import json
import os
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print('skipped: python3-jsonschema is not installed')
    sys.exit(77)

FIXTURE, STOPLOG, ROOT = sys.argv[1:]
SHARED = os.environ.get('SL_SHARED', os.path.join(ROOT, '..', 'shared'))
PATH = os.path.join(SHARED, 'data/assure/oscal-schema/oscal_assessment-results_schema.json')
if not os.path.exists(PATH):
    print('skipped: no OSCAL schema at', PATH)
    sys.exit(77)
with open(PATH, encoding='utf-8') as file:
    # Python's expressions have no Unicode properties; these are the same for what we write.
    text = file.read().replace('\\\\p{L}', '[A-Za-z]').replace('\\\\p{N}', '[0-9]')
schema = json.loads(text)


def errors(document):
    return list(jsonschema.Draft7Validator(schema).iter_errors(document))


def uuids(node, key, found):
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                found.append(value)
            uuids(value, key, found)
    elif isinstance(node, list):
        for value in node:
            uuids(value, key, found)
    return found


def check(name, document):
    found = errors(document)
    assert not found, (name, [e.message[:200] for e in found[:3]])
    known = uuids(document, 'uuid', [])
    assert len(known) == len(set(known)), name + ': the same uuid twice'
    for key in ('observation-uuid', 'subject-uuid'):
        assert set(uuids(document, key, [])) <= set(known), name + ': a uuid that nothing has'
    print('ok', name, len(json.dumps(document)), 'bytes')


def main():
    document = json.loads(subprocess.run([FIXTURE, 'oscal'], check=True, capture_output=True).stdout)
    check('fixture', document)
    # The judge must be able to say no.
    for spoil in (lambda r: r['findings'][0]['target']['status'].update(state='unknown'),
                  lambda r: r.pop('reviewed-controls'), lambda r: r.update(findings=[]),
                  lambda r: r['observations'][0].update(uuid='1')):
        bad = copy.deepcopy(document)
        spoil(bad['assessment-results']['results'][0])
        assert errors(bad), 'a spoilt document was accepted'
    with tempfile.TemporaryDirectory() as directory:
        key, site = os.path.join(directory, 'a.pem'), os.path.join(directory, 'site')
        done = subprocess.run([STOPLOG, '--json', 'operator', 'key', key], check=True, capture_output=True)
        public = json.loads(done.stdout.splitlines()[-1])['summary']['public_key']
        subprocess.run([STOPLOG, 'init', site, '--operator', 'a=' + public], check=True,
                       capture_output=True)
        done = subprocess.run([STOPLOG, '--site', site, 'assure', 'export'], check=True,
                              capture_output=True)
        check('a new site', json.loads(done.stdout))
        folder = os.path.join(directory, 'receipts')
        done = subprocess.run([STOPLOG, '--site', site, 'assure', 'report', '--html', '--receipts', folder],
                              check=True, capture_output=True, text=True)
        assert done.stdout.startswith('<!doctype html>') and 'unknown' in done.stdout


main()
