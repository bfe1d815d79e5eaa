"""The samples are sound: labelled sentences that measure something, and running text that is text."""

import difflib
import json
import math
import re
from collections import Counter
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest

from wordemb_hf import samples
from wordemb_hf.errors import UserError

PARTS = ("train", "dev", "test")
PAIRS = (("train", "dev"), ("train", "test"), ("dev", "test"))


@cache
def rows(language, part):
    path = samples.folder(language) / f"{part}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def all_rows(language):
    return [row for part in PARTS for row in rows(language, part)]


def features(language, text):
    """What two sentences are compared by: words in English, pairs of characters in Chinese."""
    if language == "en":
        return set(re.findall(r"[a-z0-9]+(?:'[a-z]+)*", text.lower()))
    characters = re.sub(r"\W", "", text)
    return {characters[start : start + 2] for start in range(len(characters) - 1)} or {characters}


def masked(row):
    """The sentence with the type of each slot in its place, without punctuation."""
    text = row["text"]
    for slot in sorted(row["slots"], key=lambda slot: -slot["start"]):
        text = f"{text[: slot['start']]}_{slot['type']}_{text[slot['end'] :]}"
    return " ".join(re.findall(r"\w+", text.lower()))


@pytest.mark.parametrize("language", samples.LANGUAGES)
def test_there_is_enough_of_everything(language):
    everything = all_rows(language)
    assert len({row["text"] for row in everything}) == len(everything) >= 600
    labels = Counter(row["label"] for row in rows(language, "train"))
    assert len(labels) >= 8
    assert min(labels.values()) >= 20
    types = Counter(slot["type"] for row in rows(language, "train") for slot in row["slots"])
    assert len(types) >= 4
    for part in ("dev", "test"):
        assert {row["label"] for row in rows(language, part)} == set(labels)
        assert {slot["type"] for row in rows(language, part) for slot in row["slots"]} <= set(types)


@pytest.mark.parametrize("language", samples.LANGUAGES)
def test_slots_lie_in_the_text(language):
    for row in all_rows(language):
        assert set(row) == {"text", "label", "slots"}, row
        text = row["text"]
        assert text == text.strip() and "\n" not in text and "\t" not in text and row["label"], row
        end = 0
        for slot in sorted(row["slots"], key=lambda slot: slot["start"]):
            assert set(slot) == {"start", "end", "type"}, row
            assert end <= slot["start"] < slot["end"] <= len(text), row
            value = text[slot["start"] : slot["end"]]
            assert value == value.strip(), row
            if language == "en":  # a slot begins and ends where a word does
                assert (
                    not re.match(r"\w\w", text[max(0, slot["start"] - 1) : slot["start"] + 1]) or not slot["start"]
                ), row
                assert not re.match(r"\w\w", text[slot["end"] - 1 : slot["end"] + 1]), row
            end = slot["end"]


@pytest.mark.parametrize("language", samples.LANGUAGES)
def test_no_part_says_again_what_another_says(language):
    alike = []
    for first, second in PAIRS:
        left, right = rows(language, first), rows(language, second)
        for row in set(map(masked, left)) & set(map(masked, right)):
            alike.append(("the same after masking", row))
        a, b = (counts([features(language, row["text"]) for row in part], language) for part in (left, right))
        shared = a @ b.T
        jaccard = shared / (a.sum(1)[:, None] + b.sum(1)[None] - shared)
        alike += [(left[i]["text"], right[j]["text"]) for i, j in np.argwhere(jaccard >= 0.7)]
        # difflib's quick_ratio for all pairs at once: few are left for the slow one.
        a, b = (counts([row["text"] for row in part], "characters") for part in (left, right))
        lengths = b.sum(1)
        for i, row in enumerate(a):
            quick = 2 * np.minimum(b, row).sum(1) / (lengths + row.sum())
            for j in np.flatnonzero(quick >= 0.85):
                if difflib.SequenceMatcher(None, left[i]["text"], right[j]["text"], autojunk=False).ratio() >= 0.85:
                    alike.append((left[i]["text"], right[j]["text"]))
    assert not alike, f"{len(alike)}: {alike[:10]}"


@cache
def column(kind, feature, numbers={}):  # noqa: B006 - the dictionary is the memory
    return numbers.setdefault(kind, {}).setdefault(feature, len(numbers[kind]))


def counts(rows, kind):
    """How often each feature occurs in each row: float32 (rows, columns); the same columns for the same kind."""
    matrix = np.zeros((len(rows), 8192), np.float32)
    for number, row in enumerate(rows):
        for feature in row:
            matrix[number, column(kind, feature)] += 1
    return matrix


@pytest.mark.parametrize("language", samples.LANGUAGES)
def test_a_few_keywords_do_not_solve_it(language):
    train = [(features(language, row["text"]), row["label"]) for row in rows(language, "train")]
    per_label = Counter(label for _, label in train)
    document = Counter(feature for found, _ in train for feature in found)
    within = Counter((feature, label) for found, label in train for feature in found)

    def log_odds(feature, label):
        inside, outside = within[feature, label], document[feature] - within[feature, label]
        others = len(train) - per_label[label]
        return math.log((inside + 0.5) / (per_label[label] - inside + 0.5)) - math.log(
            (outside + 0.5) / (others - outside + 0.5)
        )

    keywords = {
        label: set(sorted(document, key=lambda feature: (-log_odds(feature, label), feature))[:5])
        for label in per_label
    }
    majority = max(sorted(per_label), key=per_label.__getitem__)
    right = 0
    for row in rows(language, "test"):
        found = features(language, row["text"])
        hits = {label: len(found & words) for label, words in keywords.items()}
        best = max(sorted(hits), key=hits.__getitem__)
        right += (best if hits[best] else majority) == row["label"]
    accuracy = right / len(rows(language, "test"))
    assert accuracy < 0.65, accuracy


def test_patterns_use_the_slots_that_there_are():
    slots = json.loads((samples.folder("zh") / "slots.json").read_text(encoding="utf-8"))
    patterns = [
        line
        for line in (samples.folder("zh") / "patterns.txt").read_text(encoding="utf-8").splitlines()
        if line[:1] != "#"
    ]
    assert all(len(set(values)) == len(values) >= 2 and all(values) for values in slots.values())
    assert {name for line in patterns for name in re.findall(r"\{(.*?)\}", line)} == set(slots)


def test_expanded_sentences_are_distinct_and_held_out_ones_are_not_among_them():
    sentences = list(samples.expanded_sentences(40000))
    assert len(set(sentences)) == len(sentences) == 40000
    assert not any("{" in sentence or "#" in sentence for sentence in sentences)
    held_out = {row["text"] for part in ("dev", "test") for row in rows("zh", part)}
    assert not held_out & set(sentences)
    assert list(samples.expanded_sentences(300)) == sentences[:300]
    assert list(samples.expanded_sentences(300, seed=1)) != sentences[:300]


def test_patterns_take_turns_and_repeat_only_when_all_is_said():
    slots = {"a": ["1", "2", "3"], "b": ["x", "y"]}
    patterns = ["A{a}", "B{b}{b}", "C{a}{b}"]
    sentences = list(samples.expand(patterns, slots, 11, 0, {"A3"}))
    assert len(set(sentences[:10])) == 10
    assert set(sentences[:10]) == {"A1", "A2", "Bxy", "Byx", "C1x", "C1y", "C2x", "C2y", "C3x", "C3y"}
    assert sorted(sentence[0] for sentence in sentences[:6]) == list("AABBCC")
    assert "A3" not in samples.expand(patterns, slots, 100, 0, {"A3"})
    assert list(samples.expand(["A"], {}, 5, 0, {"A"})) == []
    assert list(samples.expand(["A"], {}, 3, 0, set())) == ["A"] * 3


DOCSTRING = """Return the *first* value of the ``list`` that is set by :func:`~os.walk`.

Parameters
----------
x : array_like, optional
    The values of which the first is taken, see https://example.org for more.
y, *args : (N,) float

Returns
-------
list of float
    What has been found in the list of all values.
out
    Where the result goes.

Example::

    the code in here is not a sentence of the text

Args:
    name (`str`, *optional*, defaults to `"x"`): The name of the thing, as in [the guide](https://example.org/x).
    other: Another thing that may be given.
        It goes on for one more line.

>>> the(doctest)
and what it prints is not a text either

.. note:: The note that is kept for its words.
.. code-block:: python

    if this is code: it is not a text

- A point that is made in a list [1]_.
- Another point that is made in it.

=====  =====
the words in a table that is not a text
=====  =====

```python
if the fence is open: it is not a text
```
:param int size: the size of the thing in bytes.
:rtype: a type that is not in the text
"""


def test_prose_is_what_is_left_of_a_docstring():
    assert list(samples.prose(DOCSTRING)) == [
        "Return the first value of the list that is set by os.walk.",
        "The values of which the first is taken, see for more.",
        "What has been found in the list of all values.",
        "The name of the thing, as in the guide.",
        "Another thing that may be given. It goes on for one more line.",
        "The note that is kept for its words.",
        "A point that is made in a list.",
        "Another point that is made in it.",
        "the size of the thing in bytes.",
    ]


def test_docstrings_are_told_from_other_literals():
    source = (
        '#!/usr/bin/env python\n"""module"""\n# it\'s a comment\'\'\' """\nx = "\\"\\"\\""\n'
        'class A:\n    r\'\'\'class \\d """ \'\'\'\n    def f(self):  # why\n        """say \\"yes\\" twice"""\n'
        '    y = """not this"""\n    z = f"""nor this"""\nadd_docs(f,\n"""added""")\n'
    )
    assert list(samples._literals(source)) == ["module", 'class \\d """ ', 'say \\"yes\\" twice', "added"]


def test_a_wrong_language_is_named():
    for call in (samples.folder, lambda language: samples.write_corpus(language, "x.txt")):
        with pytest.raises(UserError, match="language must be one of en, zh, not 'de'"):
            call("de")
    with pytest.raises(UserError, match="count must not be negative, not -1"):
        list(samples.expanded_sentences(-1))


@pytest.mark.parametrize("language", samples.LANGUAGES)
def test_a_corpus_file_holds_no_sentence_that_is_measured_on(language, tmp_path, monkeypatch):
    held_out = [row["text"] for part in ("dev", "test") for row in rows(language, part)]
    monkeypatch.setattr(samples, "documentation_texts", lambda: iter(["some  old\ntext", held_out[0]]))
    path = tmp_path / "corpus.txt"
    documents = samples.write_corpus(language, path)
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert len(lines) == documents == len(rows(language, "train")) + (1 if language == "en" else 40000)
    assert not set(held_out) & set(lines)
    assert {row["text"] for row in rows(language, "train")} <= set(lines)
    assert [file.name for file in tmp_path.iterdir()] == ["corpus.txt"]


def test_a_corpus_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "documentation_texts", lambda: iter(()))
    with pytest.raises(UserError, match="cannot be written"):
        samples.write_corpus("en", tmp_path / "missing" / "corpus.txt")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        samples.write_corpus("en", tmp_path / "folder")
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


@pytest.mark.slow
def test_the_documentation_gives_two_million_words():
    for package in ("torch", "transformers", "numpy", "scipy", "sklearn", "pandas", "sympy"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed, and its documentation is a good part of the two million words")
    paragraphs = list(samples.documentation_texts())
    assert len(set(paragraphs)) == len(paragraphs)
    assert sum(len(paragraph.split()) for paragraph in paragraphs) > 2_000_000
    assert not any("http://" in paragraph or ">>>" in paragraph or "\n" in paragraph for paragraph in paragraphs)
