#!/usr/bin/env python3
"""Writes "word sense" lines for the tagger: every lower-case word of the English word list with what WordNet says of it.

usage: dictionary.py WORDS WORDNET OUT

WORDS is american-english-large of Debian's wamerican-large (SCOWL), WORDNET the folder of wordnet-base (WordNet 3.0).
The numbers are those of sl_tag_sense in src/detect/tagger.h. Of a word's senses the one counted most often decides
(cntlist.rev); of an inflected form its dictionary form (WordNet's own rules of detachment and lists of exceptions)."""
import re
import sys
from pathlib import Path

OTHER, ADJECTIVE, ADVERB, PERSON, LIVING, MADE, PLACE, SAID, TIME, ABSTRACT, VERB, SAYS, DOES, DOING = range(1, 15)
# WordNet's files of meanings, by their numbers.
NOUN = {5: LIVING, 8: LIVING, 20: LIVING, 6: MADE, 13: MADE, 27: MADE, 15: PLACE, 17: PLACE, 10: SAID, 14: SAID, 18: PERSON, 28: TIME}
SPEECH = 32
ENDINGS = {
    "noun": [("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y")],
    "verb": [("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")],
    "adj": [("er", ""), ("est", ""), ("er", "e"), ("est", "e")],
    "adv": [],
}
DOUBLED = re.compile(r"([bdglmnprt])\1(ed|ing)$")


def lemmas(folder, part):
    """{word: {meaning's file: count}} of the words that are written in lower case."""
    out = {}
    for line in open(folder / f"data.{part}", encoding="latin-1"):
        if line[0] == " ":
            continue
        field = line.split()
        for i in range(int(field[3], 16)):
            word = re.sub(r"\(.*\)$", "", field[4 + 2 * i])
            if word.isalpha() and word.islower():
                out.setdefault(word, {}).setdefault(int(field[1]), 0.1)
    return out


def add_counts(folder, words):
    parts = {"1": "noun", "2": "verb", "3": "adj", "4": "adv", "5": "adj"}
    for line in open(folder / "cntlist.rev", encoding="latin-1"):
        key, _, count = line.split()
        word, _, rest = key.partition("%")
        kind, file = rest.split(":")[:2]
        senses = words[parts[kind]].get(word)
        if senses is not None and int(file) in senses:
            senses[int(file)] += int(count)


def exceptions(folder, part):
    return dict(line.split()[:2] for line in open(folder / f"{part}.exc", encoding="latin-1"))


def forms(word, part, known, odd):
    """The dictionary forms of a word, itself first."""
    out = [word] if word in known else []
    out += [odd[word]] if odd.get(word) in known else []
    for ending, instead in ENDINGS[part]:
        stem = word[:-len(ending)] + instead
        if word.endswith(ending) and len(stem) > 2 and stem in known:
            out.append(stem)
    twice = DOUBLED.search(word)
    if part == "verb" and twice and word[:twice.start() + 1] in known:
        out.append(word[:twice.start() + 1])
    return out


def sense_of(word, words, odd):
    best, most = OTHER, 0.0
    for part in ("noun", "verb", "adj", "adv"):
        for lemma in forms(word, part, words[part], odd[part])[:1]:
            file, count = max(words[part][lemma].items(), key=lambda one: one[1])
            whole = sum(words[part][lemma].values())
            if whole <= most:
                continue
            most = whole
            if part == "noun":
                best = NOUN.get(file, ABSTRACT)
            elif part != "verb":
                best = ADJECTIVE if part == "adj" else ADVERB
            elif word == lemma:
                best = VERB
            elif word.endswith("ing"):
                best = DOING
            else:
                best = SAYS if file == SPEECH else DOES
    return best


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[2])
    if not folder.is_dir() or not Path(sys.argv[1]).is_file():
        raise SystemExit("install wordnet-base and wamerican-large: the tagger's dictionary is made from them")
    words = {part: lemmas(folder, part) for part in ENDINGS}
    odd = {part: exceptions(folder, part) for part in ENDINGS}
    add_counts(folder, words)
    listed = {w.strip() for w in open(sys.argv[1], encoding="utf-8")}
    listed = {w for w in listed if w.isascii() and w.isalpha() and w.islower() and len(w) > 1}
    for part in words:
        listed |= {w for w in words[part] if w.isascii() and len(w) > 2}
    with open(sys.argv[3], "w", encoding="ascii") as out:
        for word in sorted(listed):
            out.write(f"{word} {sense_of(word, words, odd)}\n")


if __name__ == "__main__":
    main()
