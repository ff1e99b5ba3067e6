#!/usr/bin/env python3
"""Makes the event vocabulary from data/events/*.json: the C header and table, and docs/events.md.

  gen-events.py --header OUT --source OUT FILE...   typed emitters (run by Meson)
  gen-events.py --docs FILE [--check] FILE...       the reference page; --check only compares

A mistake in the data stops the build with the file and the event named.
"""
import argparse
import json
import re
import sys

C_TYPES = {
    'id': 'sl_view', 'word': 'sl_view', 'label': 'sl_view', 'bytes': 'sl_view',
    'digest': 'const sl_digest *', 'commitment': 'const sl_digest *',
    'count': 'uint64_t', 'int': 'int64_t', 'bool': 'bool',
    'ids': 'sl_views', 'words': 'sl_views', 'counts': 'sl_tallies',
}
KIND_TEXT = {
    'id': 'random or chosen id', 'word': 'one word', 'label': 'short text', 'bytes': 'bytes (base64)',
    'digest': 'SHA-256 (hex)', 'commitment': 'salted commitment (hex)', 'count': 'whole number',
    'int': 'integer', 'bool': 'true or false', 'ids': 'list of ids', 'words': 'list of words',
    'counts': 'count by word',
}
PRESENCE_FLAG = ('count', 'int', 'bool')
KEYWORDS = {'auto', 'break', 'case', 'char', 'const', 'continue', 'default', 'do', 'double', 'else',
            'enum', 'extern', 'float', 'for', 'goto', 'if', 'inline', 'int', 'long', 'register',
            'return', 'short', 'signed', 'sizeof', 'static', 'struct', 'switch', 'typedef', 'union',
            'unsigned', 'void', 'volatile', 'while', 'unix', 'linux'}
WORD = re.compile(r'^[a-z][a-z0-9_]*$')


def stop(text):
    sys.exit('gen-events: ' + text)


def check_field(where, field):
    extra = set(field) - {'name', 'kind', 'values', 'optional', 'meaning'}
    if extra:
        stop('%s: unknown member %s' % (where, sorted(extra)))
    name = field.get('name', '')
    if not WORD.match(name) or name in KEYWORDS:
        stop('%s: "%s" is not a fit field name' % (where, name))
    if field.get('kind') not in C_TYPES:
        stop('%s.%s: unknown kind "%s"' % (where, name, field.get('kind')))
    if not field.get('meaning'):
        stop('%s.%s: no meaning' % (where, name))
    if 'values' in field and field['kind'] != 'word':
        stop('%s.%s: only a word lists values' % (where, name))
    for value in field.get('values', []):
        if not WORD.match(value):
            stop('%s.%s: "%s" is not a fit value' % (where, name, value))


def check_event(where, event):
    extra = set(event) - {'type', 'meaning', 'by', 'fields', 'containment'}
    if extra:
        stop('%s: unknown member %s' % (where, sorted(extra)))
    if not re.match(r'^[a-z][a-z0-9]*\.[a-z][a-z0-9_]*$', event.get('type', '')):
        stop('%s: "%s" is not a fit type' % (where, event.get('type')))
    if not event.get('meaning'):
        stop('%s: %s has no meaning' % (where, event['type']))
    if not event.get('by') or not all(WORD.match(by) for by in event['by']):
        stop('%s: %s does not say by whom' % (where, event['type']))
    names = [field.get('name') for field in event['fields']]
    if len(set(names)) != len(names):
        stop('%s: %s names a field twice' % (where, event['type']))
    for field in event['fields']:
        check_field('%s: %s' % (where, event['type']), field)


def load(paths):
    modules = []
    types = set()
    for path in sorted(paths):
        with open(path, encoding='utf-8') as source:
            try:
                data = json.load(source)
            except ValueError as error:
                stop('%s: %s' % (path, error))
        if set(data) != {'module', 'events'}:
            stop('%s: wants exactly "module" and "events"' % path)
        for event in data['events']:
            check_event(path, event)
            if event['type'] in types:
                stop('%s: %s is declared twice' % (path, event['type']))
            types.add(event['type'])
        modules.append(data)
    return modules


def c_name(event):
    return event['type'].replace('.', '_')


def c_string(text):
    return json.dumps(text)


def declare(field):
    c_type = C_TYPES[field['kind']]
    space = '' if c_type.endswith('*') else ' '
    notes = [field['meaning']]
    if 'values' in field:
        notes.append(' '.join(field['values']))
    line = '    %s%s%s; /* %s */\n' % (c_type, space, field['name'], '; '.join(notes))
    if field.get('optional') and field['kind'] in PRESENCE_FLAG:
        line = '    bool has_%s;\n' % field['name'] + line
    return line


def header(modules):
    out = ['/* Made by tools/gen-events.py from data/events: do not edit. */\n',
           '#ifndef SL_LEDGER_EVENTS_GEN_H\n#define SL_LEDGER_EVENTS_GEN_H\n\n',
           '#include "ledger/event.h"\n']
    for module in modules:
        for event in module['events']:
            name = c_name(event)
            out.append('\n/* %s By: %s. */\ntypedef struct {\n' % (event['meaning'],
                                                                   ', '.join(event['by'])))
            out.extend(declare(field) for field in event['fields'])
            if not event['fields']:
                out.append('    char none;\n')
            out.append('} sl_event_%s;\n' % name)
            out.append('SL_MUST sl_res sl_emit_%s(const sl_event_head *head,\n'
                       '    const sl_event_%s *fields, sl_buf *ret_event);\n' % (name, name))
    out.append('\n#endif\n')
    return ''.join(out)


def source(modules):
    out = ['/* Made by tools/gen-events.py from data/events: do not edit. */\n',
           '#include "ledger/events.gen.h"\n\n#include <stddef.h>\n']
    events = sorted((e for m in modules for e in m['events']), key=lambda e: e['type'])
    for event in events:
        name = c_name(event)
        out.append('\nstatic const char *const by_%s[] = { %s, NULL };\n'
                   % (name, ', '.join(c_string(by) for by in event['by'])))
        for field in event['fields']:
            if 'values' in field:
                out.append('static const char *const values_%s_%s[] = { %s, NULL };\n' % (
                    name, field['name'], ', '.join(c_string(v) for v in field['values'])))
        if event['fields']:
            out.append('static const sl_field_def fields_%s[] = {\n' % name)
        for field in sorted(event['fields'], key=lambda f: f['name']):
            flag = 'SIZE_MAX'
            if field.get('optional') and field['kind'] in PRESENCE_FLAG:
                flag = 'offsetof(sl_event_%s, has_%s)' % (name, field['name'])
            values = 'values_%s_%s' % (name, field['name']) if 'values' in field else 'NULL'
            out.append('    { "%s", SL_FIELD_%s, %s, offsetof(sl_event_%s, %s), %s, %s },\n' % (
                field['name'], field['kind'].upper(), 'true' if field.get('optional') else 'false',
                name, field['name'], flag, values))
        if event['fields']:
            out.append('};\n')
    out.append('\nconst sl_event_def sl_event_defs[] = {\n')
    for event in events:
        name = c_name(event)
        fields = 'fields_%s, %d' % (name, len(event['fields'])) if event['fields'] else 'NULL, 0'
        out.append('    { "%s", by_%s, %s, %s },\n' % (
            event['type'], name, fields, 'true' if event.get('containment') else 'false'))
    out.append('};\nconst size_t sl_event_defs_n = sizeof sl_event_defs / sizeof sl_event_defs[0];\n')
    for index, event in enumerate(events):
        name = c_name(event)
        out.append('\nsl_res sl_emit_%s(const sl_event_head *head, const sl_event_%s *fields,\n'
                   '    sl_buf *ret_event)\n{\n'
                   '    return sl_event_write(&sl_event_defs[%d], head, fields, ret_event);\n}\n'
                   % (name, name, index))
    return ''.join(out)


def docs(modules):
    out = ['# Events\n\n',
           'Every leaf of the ledger holds one event. This page is made from `data/events/*.json` by '
           '`tools/gen-events.py`;\nto change it, change the data. `src/ledger/event.h` says how a '
           'leaf is built.\n\n',
           'Beside its own fields an event may name `actor`, `principal`, `door`, `compartment` and '
           '`crossing`, each a random id\nor a chosen name, and may carry a `sealed` body. *By* lists '
           'the processes whose word is taken for it: the ledger\nrefuses the event from any other.\n']
    for module in modules:
        out.append('\n## %s\n' % module['module'])
        for event in module['events']:
            out.append('\n### `%s`\n\n%s\n\nBy: %s\n' % (event['type'], event['meaning'],
                                                       ', '.join(event['by'])))
            if event.get('containment'):
                out.append('\nContainment: it fits into the space kept for such leaves when the disk is '
                           'full.\n')
            if event['fields']:
                out.append('\n| field | kind | meaning |\n|---|---|---|\n')
            for field in event['fields']:
                kind = KIND_TEXT[field['kind']]
                if 'values' in field:
                    kind = ', '.join('`%s`' % v for v in field['values'])
                if field.get('optional'):
                    kind += ' (optional)'
                out.append('| `%s` | %s | %s |\n' % (field['name'], kind, field['meaning']))
    return ''.join(out)


def write(path, text):
    with open(path, 'w', encoding='utf-8') as out:
        out.write(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--header')
    parser.add_argument('--source')
    parser.add_argument('--docs')
    parser.add_argument('--check', action='store_true')
    parser.add_argument('files', nargs='+')
    args = parser.parse_args()
    modules = load(args.files)
    if args.header:
        write(args.header, header(modules))
    if args.source:
        write(args.source, source(modules))
    if args.docs and args.check:
        with open(args.docs, encoding='utf-8') as page:
            if page.read() != docs(modules):
                stop('%s is not current: run tools/gen-events.py --docs %s data/events/*.json'
                     % (args.docs, args.docs))
    elif args.docs:
        write(args.docs, docs(modules))


main()
