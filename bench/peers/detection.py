#!/usr/bin/env python3
"""Presidio beside stoplog inspect: the same texts, one document at a time, in the same run.

usage: bench/peers/detection.py [--stoplog PROGRAM] [--documents N] GOLD.jsonl

Lines {"text", "spans": [{"start", "end", "label"}]}, offsets in UTF-8 bytes. Counted the same way for both:
gold spans that some finding overlaps, and findings that overlap none. Presidio gets the largest English model
of spaCy that is installed; without one it has its patterns and no names, and the line says so. Its default
threshold; ours: 'inspect' as it comes. LLM Guard's detectors are models fetched from elsewhere at the first
run; it is not measured here. Install: python3 -m pip install presidio-analyzer. Never judges. Times are of the processor and leave out
each side's start as a library, but not ours as a program.
"""
import argparse
import json
import logging
import os
import resource
import subprocess
import tempfile


def processor(who):
    """Seconds of processor time: what others do on the machine does not count."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def read(path, most):
    with open(path, encoding='utf-8') as lines:
        return [json.loads(line) for line, _ in zip(lines, range(most))]


def presidio(texts):
    logging.disable(logging.CRITICAL)
    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
    model = next((m for m in ('en_core_web_lg', 'en_core_web_md', 'en_core_web_sm') if spacy.util.is_package(m)), None)
    engine = SpacyNlpEngine(ner_model_configuration=NerModelConfiguration())
    engine.nlp = {'en': spacy.load(model) if model else spacy.blank('en')}
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=['en'])
    analyzer.analyze(text='warm', language='en')
    start = processor(resource.RUSAGE_SELF)
    found = [analyzer.analyze(text=text, language='en') for text in texts]
    took = processor(resource.RUSAGE_SELF) - start
    spans = []
    for text, findings in zip(texts, found):
        spans.append([(len(text[:f.start].encode()), len(text[:f.end].encode())) for f in findings])
    return spans, took, 'presidio with ' + (model or 'its patterns alone (no spaCy model is installed)')


def stoplog(program, texts):
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, '%06d.txt' % i) for i in range(len(texts))]
        for path, text in zip(paths, texts):
            with open(path, 'wb') as out:
                out.write(text.encode())
        start = processor(resource.RUSAGE_CHILDREN)
        done = subprocess.run([program, '--json', 'inspect', *paths], capture_output=True, text=True, check=False)
        took = processor(resource.RUSAGE_CHILDREN) - start
    spans = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        if 'path' in row:
            spans[row['path']] = [(f['start'], f['end']) for f in row['findings'] if f.get('unit') == 'bytes']
    return [spans.get(path, []) for path in paths], took, 'stoplog'


def overlaps(one, many):
    return any(one[0] < b and a < one[1] for a, b in many)


def tell(rows, kilobytes, spans, took, name, ours):
    gold = [[(s['start'], s['end']) for s in row['spans']] for row in rows]
    hit = sum(overlaps(g, f) for gs, f in zip(gold, spans) for g in gs)
    besides = sum(not overlaps(f, gs) for gs, fs in zip(gold, spans) for f in fs)
    print('%s: %.2f s of processor, %.0f KB/s, %.1f times stoplog; %d of %d gold spans found, %d findings besides' % (
        name, took, kilobytes / took, took / ours, hit, sum(map(len, gold)), besides))


def main():
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--stoplog', default=os.path.join(top, 'build', 'stoplog'))
    parser.add_argument('--documents', type=int, default=200)
    parser.add_argument('gold')
    options = parser.parse_args()
    rows = read(options.gold, options.documents)
    texts = [row['text'] for row in rows]
    kilobytes = sum(len(text.encode()) for text in texts) / 1024
    print('%d documents, %.0f KB, load %.1f' % (len(texts), kilobytes, os.getloadavg()[0]))
    spans, ours, name = stoplog(options.stoplog, texts)
    tell(rows, kilobytes, spans, ours, name, ours)
    try:
        spans, took, name = presidio(texts)
        tell(rows, kilobytes, spans, took, name, ours)
    except ImportError as missing:
        print('presidio: skipped: %s (python3 -m pip install presidio-analyzer)' % missing)


main()
