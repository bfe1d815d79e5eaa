"""Tagging: spans by the rules of conlleval, words that keep their tags however they are tokenised, and the verbs."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from seqeval.metrics.sequence_labeling import get_entities
from transformers import pipeline
from wordemb_hf.modeling.tag_constraints import tag_constraints

import wordemb_hf
from wordemb_hf.conll import TaggedSentences
from wordemb_hf.errors import UserError
from wordemb_hf.evaluation import TaggingMetrics, most_frequent_tags
from wordemb_hf.spans import continuation, mark_spans, parse_tag, spans_of
from wordemb_hf.tasks.tagging import Tagging, tags_of, words_of
from wordemb_hf.tasks.windows import EncodedSentences, plan
from wordemb_hf.training import make_accelerator
from wordemb_hf.vocabulary import build_tokenizer

BIOES = {"M": "I", "L": "E", "U": "S", "W": "S"}


def random_tags(rng, parts="BI", types=("X", "Y-Z"), longest=8):
    tags = ["O", *(f"{part}-{type_}" for part in parts for type_ in types)]
    return rng.choices(tags, k=rng.randint(0, longest))


# --- spans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", ["BI", "BMES", "BIES", "BILU", "BMEW"])
def test_spans_are_those_of_seqeval(parts):
    rng = random.Random(0)
    for _ in range(3000):
        tags = random_tags(rng, parts)
        plain = [BIOES.get(tag[0], tag[0]) + tag[1:] for tag in tags]
        assert spans_of(tags) == [(type_, start, last + 1) for type_, start, last in get_entities(plain)], tags


# The cases of conlleval.pl (Sang & Buchholz 2000): a chunk begins with B-, and where I- follows O or another type.
@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("", []),
        ("O O", []),
        ("B-NP I-NP O", [("NP", 0, 2)]),
        ("I-NP I-NP O I-NP", [("NP", 0, 2), ("NP", 3, 4)]),
        ("I-NP B-NP I-NP", [("NP", 0, 1), ("NP", 1, 3)]),
        ("B-PER I-ORG", [("PER", 0, 1), ("ORG", 1, 2)]),
        ("B-NP B-NP", [("NP", 0, 1), ("NP", 1, 2)]),
        ("B-X M-X E-X S-X B-X", [("X", 0, 3), ("X", 3, 4), ("X", 4, 5)]),
        ("E-X E-X O M-X E-X", [("X", 0, 1), ("X", 1, 2), ("X", 3, 5)]),
        ("B M E S B E", [("", 0, 3), ("", 3, 4), ("", 4, 6)]),
        ("B_PER I_PER", [("PER", 0, 2)]),
    ],
)
def test_spans_by_hand(tags, spans):
    assert spans_of(tags.split()) == spans


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("O B-X I-X", True),
        ("I-X O", True),
        ("B M E S", True),
        ("B I O", True),
        ("NOUN VERB X", False),
        ("O", False),
        ("B-X NN", False),
        ("S M", False),
    ],
)
def test_tags_that_mark_spans(labels, expected):
    assert mark_spans(labels.split()) is expected


def test_tags_are_read_as_a_crf_reads_them():
    """What a CRF may put side by side makes one span: `parse_tag` knows the parts that `tag_constraints` knows."""
    for part in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        known = tag_constraints(["O", f"{part}-X"]) is not None
        assert known is (parse_tag(f"{part}-X")[0] != "O"), part


@pytest.mark.parametrize(
    ("tag", "labels", "expected"),
    [
        ("B-X", "O B-X I-X", "I-X"),
        ("I-X", "O B-X I-X", "I-X"),
        ("O", "O B-X I-X", "O"),
        ("B-X", "O B-X B-Y I-Y", None),
        ("I-X", "O I-X", "I-X"),
        ("B-X", "O B-X M-X E-X S-X", None),
        ("S-X", "O B-X I-X E-X S-X", None),
        ("B", "B I O", "I"),
        ("NN", "NN VB", "NN"),
    ],
)
def test_what_a_further_piece_of_a_word_has(tag, labels, expected):
    assert continuation(tag, labels.split()) == expected


# --- figures ----------------------------------------------------------------------------------------------------------


def slow_figures(references, predictions):
    """Precision, recall and F1 of spans, counted one by one."""
    right = found = there = 0
    for reference, prediction in zip(references, predictions, strict=True):
        ours, theirs = spans_of(prediction), spans_of(reference)
        right += sum(span in theirs for span in ours)
        found, there = found + len(ours), there + len(theirs)
    precision, recall = right / max(found, 1), right / max(there, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


@pytest.mark.parametrize("parts", ["BI", "BMES"])
def test_figures_of_spans_equal_a_slow_count(parts):
    rng = random.Random(1)
    references = [random_tags(rng, parts) for _ in range(200)]
    predictions = [[tag if rng.random() < 0.7 else "O" for tag in tags] for tags in references]
    figures = TaggingMetrics().compute(predictions=predictions, references=references)
    assert (figures["precision"], figures["recall"], figures["f1"]) == pytest.approx(
        slow_figures(references, predictions)
    )
    flat = [pair for rows in zip(references, predictions, strict=True) for pair in zip(*rows, strict=True)]
    assert figures["accuracy"] == pytest.approx(np.mean([one == other for one, other in flat]))
    assert set(figures["types"]) == {"X", "Y-Z"}
    for type_, row in figures["types"].items():
        only = [[tag if parse_tag(tag)[1] == type_ else "O" for tag in tags] for tags in (*references, *predictions)]
        assert (row["precision"], row["recall"], row["f1"]) == pytest.approx(
            slow_figures(only[: len(references)], only[len(references) :])
        )
        assert row["support"] == sum(span.type == type_ for tags in references for span in spans_of(tags))


def test_figures_of_tags_by_hand():
    figures = TaggingMetrics().compute(predictions=[["N", "V"], ["N"]], references=[["N", "N"], ["V"]])
    # N: precision 1/2, recall 1/2; V: 0.
    assert (figures["accuracy"], figures["macro_f1"]) == pytest.approx((1 / 3, 1 / 4))
    assert figures["types"]["N"] == {"f1": 0.5, "precision": 0.5, "recall": 0.5, "support": 2}
    assert "f1" not in figures


def test_figures_of_odd_answers():
    metric = TaggingMetrics()
    nothing = metric.compute(predictions=[["O"]], references=[["O"]], spans=True)
    assert nothing == {"f1": 0.0, "precision": 0.0, "recall": 0.0, "types": {}, "accuracy": 1.0}
    segmented = metric.compute(predictions=[["B", "E", "S"]], references=[["B", "E", "S"]])
    assert (segmented["f1"], segmented["types"]) == (1.0, {})
    unseen = metric.compute(predictions=[["B-X", "O"]], references=[["B-X", "I-X"]])
    assert (unseen["f1"], unseen["accuracy"]) == (0.0, 0.5)
    with pytest.raises(UserError, match="sentence 1 has 2 words, but 1 predicted tags"):
        metric.compute(predictions=[["O"], ["O"]], references=[["O"], ["O", "O"]])


def test_the_floor_is_the_most_frequent_tag():
    tokens, tags = [["a", "a", "b"], ["a", "c"], ["d"]], [["X", "Y", "Y"], ["Y", "Z"], ["Z"]]
    assert most_frequent_tags(tokens, tags, [["a", "new"], [], ["b"]]) == [["Y", "Z"], [], ["Y"]]
    assert most_frequent_tags([["a", "a"]], [["X", "X"]], [["new"]]) == [["X"]]
    with pytest.raises(UserError, match="one tag per word, got 1 for 2"):
        most_frequent_tags([["a", "b"]], [["X"]], [])
    with pytest.raises(UserError, match="at least one word"):
        most_frequent_tags([[]], [[]], [["a"]])


# --- windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [1, 2, 3, 7, 8, 16, 50])
def test_windows_answer_every_word_once(room):
    rng = np.random.default_rng(room)
    for count in (1, 2, 5, 40, 200):
        tokens = rng.integers(0, 5, count)
        windows = plan(tokens, room)
        answered = [word for _, _, first, last in windows for word in range(first, last)]
        assert answered == list(range(count))
        for start, stop, first, last in windows:
            assert start <= first < last <= stop
            assert np.clip(tokens[start:stop], 1, room).sum() <= room
        if room >= 50:  # an eighth of it holds any word: there is context on either side
            assert all(first - start >= 1 for start, _, first, _ in windows[1:])
            assert all(stop - last >= 1 for _, stop, _, last in windows[:-1])


def word_tokenizer(*texts, **options):
    return build_tokenizer(texts, **{"kind": "word", "min_count": 1, **options})


def test_a_word_keeps_its_place():
    tokenizer = word_tokenizer("a 10-year plan b")
    sentences = EncodedSentences(tokenizer, [["a", "10-year", "plan"], [], ["\u200b", "a", " ", "b"]])
    assert [window.sentence for window in sentences.windows] == [0, 2]
    assert [heads.tolist() for heads in sentences.heads] == [[0, 1, 4], [0, 1, 2, 3]]
    unknown = tokenizer.unk_token_id
    a, b = tokenizer.convert_tokens_to_ids(["a", "b"])
    assert sentences.encoded.rows[1].tolist() == [unknown, a, unknown, b]


def test_without_an_unknown_token_a_word_has_no_head():
    tokenizer = word_tokenizer("a b")
    tokenizer.unk_token = None
    assert EncodedSentences(tokenizer, [["\u200b", "a"], ["\u200b"]]).heads[0].tolist() == [-1, 0]


def test_a_slow_tokenizer_is_refused():
    with pytest.raises(UserError, match="is a slow tokenizer: tags of words need a fast one"):
        EncodedSentences(SimpleNamespace(is_fast=False), [["a"]])


class Echo(torch.nn.Module):
    """Tags each token by its id, so that what a word gets tells which token it was read from."""

    def __init__(self, vocabulary):
        super().__init__()
        self.config = SimpleNamespace(
            id2label={number: f"t{number}" for number in range(vocabulary)},
            label2id={f"t{number}": number for number in range(vocabulary)},
        )
        self.shapes = []

    def forward(self, input_ids, attention_mask=None, labels=None, **kwargs):
        self.shapes.append(tuple(input_ids.shape))
        logits = torch.nn.functional.one_hot(input_ids, len(self.config.id2label)) * 9.0
        return SimpleNamespace(logits=logits, loss=None)


@pytest.mark.parametrize("kind", ["word", "char", "whitespace"])
@pytest.mark.parametrize("limit", [None, 1, 2, 5, 30])
def test_every_word_gets_the_tag_of_its_first_token(kind, limit):
    rng = random.Random(0)
    words = ["a", "bc", "10-year", "d.e", "fgh", "\u200b", "½", "new!"]
    sentences = [rng.choices(words, k=n) for n in (0, 1, 3, 100, 0, 7)]
    tokenizer = word_tokenizer(" ".join(words), kind=kind, **({} if limit is None else {"max_length": limit}))
    model = Echo(len(tokenizer))
    answers = tags_of(model, tokenizer, sentences, make_accelerator())
    assert (
        [len(answer.tags) for answer in answers] == [len(answer.scores) for answer in answers] == [0, 1, 3, 100, 0, 7]
    )
    assert max(width for _, width in model.shapes) <= (limit or 512)
    for words, answer in zip(sentences, answers, strict=True):
        first = [(tokenizer(word)["input_ids"] or [tokenizer.unk_token_id])[0] for word in words]
        assert answer.tags == [f"t{token}" for token in first]


def test_ten_thousand_words_are_tagged_whole():
    words = [random.Random(0).choice("abcdefgh") for _ in range(10_000)]
    tokenizer = word_tokenizer("a b c d e f g h", max_length=512)
    model = Echo(len(tokenizer))
    (answer,) = tags_of(model, tokenizer, [words], make_accelerator())
    assert answer.tags == [f"t{token}" for token in tokenizer.convert_tokens_to_ids(words)]
    assert max(width for _, width in model.shapes) <= 512


def test_a_word_without_a_token_has_the_outside_tag():
    tokenizer = word_tokenizer("a b")
    tokenizer.unk_token = None
    model = Echo(len(tokenizer))
    model.config = SimpleNamespace(id2label={0: "B-X", 1: "I-X", 2: "O", 3: "z"}, label2id={"O": 2})
    answers = tags_of(model, tokenizer, [["\u200b", "b"], ["\u200b"]], make_accelerator())
    assert [answer.tags for answer in answers] == [["O", "z"], ["O"]]
    assert answers[0].scores.tolist() == pytest.approx([0.0, 1.0], abs=1e-3)


# --- words of a text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("word", "Don't  stop, Zoë-Ann!", ["Don't", "stop", ",", "Zoë", "-", "Ann", "!"]),
        ("word", "½ ﬁve \u200b①", ["½", "ﬁve", "①"]),
        ("word", " \t\n", []),
        ("word", "", []),
        ("char", "我 爱A", ["我", "爱", "A"]),
        ("whitespace", "Don't  stop, U.S.", ["Don't", "stop,", "U.S."]),
    ],
)
def test_words_of_a_text(kind, text, words):
    tokenizer = word_tokenizer("x", kind=kind)
    assert [text[start:stop] for start, stop in words_of(tokenizer, text)] == words


# --- the task ---------------------------------------------------------------------------------------------------------


def tagged(*rows, **options):
    tokens = [[pair.rpartition("/")[0] for pair in row.split()] for row in rows]
    tags = [[pair.rpartition("/")[2] for pair in row.split()] for row in rows]
    return TaggedSentences(tokens, tags, list(range(len(rows))), "data", **options)


IDS = {"O": 0, "B-X": 1, "I-X": 2}


def rows_of(task, number=0):
    """Tokens and labels of an epoch, without padding, in the order of the tokens."""
    rows = []
    for batch in task.epoch(number):
        for ids, mask, labels in zip(batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True):
            assert (labels[mask == 0] == -100).all()
            rows.append((ids[mask == 1].tolist(), labels[mask == 1].tolist()))
    return sorted(rows)


def test_labels_stand_on_tokens():
    sentences = tagged("a/O 10-year/B-X plan/I-X", "d.e/O b/NEW a/B-X")
    tokenizer = word_tokenizer(*sentences.texts, *sentences.texts)  # twice: no word is rare
    sentences = TaggedSentences(sentences.tokens * 2, sentences.tags * 2, [0] * 4, "data")
    task = Tagging(tokenizer, sentences, IDS, batch_size=3)
    first, second = rows_of(task)[0], rows_of(task)[-1]
    labels = {tuple(labels) for _, labels in (first, second)}
    assert labels == {(0, 1, 2, 2, 2), (0, 0, 0, -100, 1)}
    assert [task.items(batch) for batch in task.epoch(0)] in ([14, 4], [13, 5], [5, 13], [4, 14])
    assert task.epoch(0)[0]["labels"].tolist() == task.epoch(0)[0]["labels"].tolist()
    assert rows_of(task, 1) == rows_of(task)


def test_a_scheme_with_ends_leaves_further_tokens_alone():
    ids = {"O": 0, "B-X": 1, "M-X": 2, "E-X": 3, "S-X": 4}
    task = Tagging(word_tokenizer("d.e b"), tagged("d.e/B-X d.e/E-X b/S-X d.e/O"), ids)
    assert rows_of(task)[0][1] == [1, -100, -100, 3, -100, -100, 4, 0, 0, 0]


def test_rare_words_are_unknown_now_and_then():
    sentences = tagged(*["often/O often/O"] * 20, *(f"word{number}/B-X" for number in range(300)))
    tokenizer = word_tokenizer(*sentences.texts)
    task = Tagging(tokenizer, sentences, IDS, batch_size=16)
    shares = []
    for number in (0, 1):
        ids = np.concatenate([row for row, _ in rows_of(task, number)])
        assert (ids == tokenizer.convert_tokens_to_ids("often")).sum() == 40
        shares.append((ids == tokenizer.unk_token_id).sum() / 300)
    assert 0.4 < min(shares) <= max(shares) < 0.6
    assert rows_of(task, 0) == rows_of(task, 0) != rows_of(task, 1)


def test_training_cuts_and_does_not_learn_half_a_span():
    sentences = tagged("a/O b/O c/B-X d/I-X e/I-X f/O", "a/O b/O c/O d/B-X e/O f/O")
    task = Tagging(word_tokenizer(*sentences.texts * 2), sentences, IDS, max_length=4)
    assert sorted(labels for _, labels in rows_of(task)) == [[0, 0, -100, -100], [0, 0, 0, 1]]


class Fixed(torch.nn.Module):
    """Answers from a table, by the id of the token, and counts what labels it was given."""

    def __init__(self, answers, names):
        super().__init__()
        self.table = torch.nn.functional.one_hot(torch.tensor(answers), len(names)) * 5.0
        self.config = SimpleNamespace(
            id2label=dict(enumerate(names)), label2id=dict(zip(names, range(9), strict=False))
        )
        self.labelled = 0

    def forward(self, input_ids, attention_mask=None, labels=None):
        logits = self.table[input_ids]
        loss = None
        if labels is not None:
            self.labelled += int((labels >= 0).sum())
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return SimpleNamespace(logits=logits, loss=loss)


@pytest.mark.parametrize("limit", [512, 9, 3])
def test_the_figures_are_those_of_words_however_long_the_sentence(limit):
    rng = random.Random(0)
    words = [f"w{number}" for number in range(20)]
    tags = {word: rng.choice(list(IDS)) for word in words}
    tokens = [rng.choices(words, k=n) for n in (1, 50, 3, 7)]
    references = [[tags[word] if rng.random() < 0.8 else "O" for word in row] for row in tokens]
    tokenizer = word_tokenizer(" ".join(words), max_length=limit)
    names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    model = Fixed([IDS[tags.get(name, "O")] for name in names], list(IDS))
    task = Tagging(tokenizer, TaggedSentences(tokens, references, [], "data"), IDS)
    figures = task.measure(model, make_accelerator())
    expected = TaggingMetrics().compute(
        predictions=[[tags[word] for word in row] for row in tokens], references=references
    )
    assert {name: figures[name] for name in expected} == expected
    assert 0 < figures["loss"] < 5
    if limit == 512:
        right = expected["accuracy"]
        logits = torch.tensor([5.0, 0.0, 0.0])
        loss = -(right * logits.log_softmax(0)[0] + (1 - right) * logits.log_softmax(0)[1])
        assert figures["loss"] == pytest.approx(float(loss), rel=1e-5)
        assert model.labelled == 61
    evaluated = task.evaluate(model, make_accelerator())
    assert evaluated == {f"eval_{name}": figures[name] for name in ("loss", "f1", "precision", "recall", "accuracy")}


def test_a_tag_that_the_model_lacks_counts_as_wrong():
    tokenizer = word_tokenizer("a b")
    model = Fixed([0, 0, 1, 0], list(IDS))
    task = Tagging(tokenizer, tagged("a/B-X b/I-NEW"), IDS)
    figures = task.measure(model, make_accelerator())
    assert (figures["accuracy"], figures["recall"]) == (0.5, 0.5)
    assert model.labelled == 1 and np.isfinite(figures["loss"])


def test_parts_of_speech_are_measured_by_accuracy():
    model = Fixed([0, 0, 1, 0], ["N", "V"])
    figures = Tagging(word_tokenizer("a b"), tagged("a/V b/V"), {"N": 0, "V": 1}).measure(model, make_accelerator())
    assert figures["accuracy"] == 0.5 and "macro_f1" in figures and "f1" not in figures


def test_a_crf_is_not_asked_about_what_it_forbids():
    sentences = tagged("a/I-X b/B-X a/I-X", "a/O b/I-X b/I-X")
    model = Fixed([0, 0, 1, 2], list(IDS))
    task = Tagging(word_tokenizer("a b"), sentences, {"I-X": 2, "B-X": 1, "O": 0})
    plain = task.measure(model, make_accelerator())
    assert model.labelled == 6
    model.labelled, model.config.tag_decoder = 0, "crf"
    figures = task.measure(model, make_accelerator())
    assert model.labelled == 4  # not the first I-X of either sentence
    assert {**plain, "loss": 0} == {**figures, "loss": 0}


@pytest.mark.parametrize("limit", [512, 20, 3])
def test_a_crf_learns_and_is_measured_whatever_is_cut(limit):
    """Sentences that are cut inside a span, words of several tokens, and references that the scheme forbids."""
    from transformers import AutoModelForTokenClassification

    from wordemb_hf.families import make_config

    rng = random.Random(0)
    names = ["O", "B-X", "M-X", "E-X", "S-X"]
    tokens, tags = [], []
    for _ in range(8):
        row = [
            tag for _ in range(10) for tag in rng.choice([["O"], ["S-X"], ["B-X", "E-X"], ["B-X", *["M-X"] * 4, "E-X"]])
        ]
        tags.append(row)
        tokens.append([rng.choice(["a", "b.c", "\u200b"]) for _ in row])
    tokenizer = word_tokenizer("a b.c", max_length=limit)
    fields = {"vocab_size": len(tokenizer), "embedding_size": 4, "hidden_size": 4, "tag_decoder": "crf"}
    config = make_config("bilstm", **fields, id2label=dict(enumerate(names)))
    model = AutoModelForTokenClassification.from_config(config)
    ids = {name: number for number, name in enumerate(names)}
    task = Tagging(tokenizer, TaggedSentences(tokens, tags, [], "data"), ids, max_length=limit)
    for batch in task.epoch(0):
        assert torch.isfinite(model(**batch).loss) or task.items(batch) == 0
    wrong = [["M-X", *row[1:-1], "B-X"] for row in tags]
    for rows in (tags, wrong):
        part = TaggedSentences(tokens, rows, [], "data")
        figures = Tagging(tokenizer, part, ids).measure(model, make_accelerator())
        assert 0 < figures["loss"] < 10 and figures["f1"] < 1


# --- the verbs --------------------------------------------------------------------------------------------------------

PLACES, NAMES, OTHERS = (
    ["Paris", "Rome", "Oslo", "Kyiv"],
    ["Ada", "Alan", "Grace", "Kurt"],
    ["saw", "in", "with", "and"],
)
SMALL = {"num_filters": 8, "embedding_size": 8, "filter_sizes": [1, 3], "classifier_dropout": 0.0}


def english(count, seed):
    """Words and tags: places, names of two words, and words between them."""
    rng = random.Random(seed)
    for _ in range(count):
        words = [
            (rng.choice(NAMES), "B-PER"),
            (rng.choice(NAMES), "I-PER"),
            (rng.choice(OTHERS), "O"),
            (rng.choice(PLACES), "B-LOC"),
            (".", "O"),
        ]
        yield [word for word, _ in words], [tag for _, tag in words]


def chinese(count, seed):
    """Characters: cities in the scheme BMES."""
    rng = random.Random(seed)
    for _ in range(count):
        city = rng.choice(["北京", "上海", "石家庄"])
        marks = {2: "BE", 3: "BME"}[len(city)]
        yield ["我", *city, "好"], ["O", *(f"{mark}-LOC" for mark in marks), "O"]


def write_conll(path, sentences):
    rows = ("".join(f"{word}\t{tag}\n" for word, tag in zip(*sentence, strict=True)) for sentence in sentences)
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def train(data, output, **options):
    return wordemb_hf.finetune(data, output, **{"settings": SMALL, "epochs": 15, "learning_rate": 0.05, **options})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, and a tagger of each language: nothing here is written to by a test."""
    folder = tmp_path_factory.mktemp("tagging")
    for name, sentences in (("en", english), ("zh", chinese)):
        (folder / name).mkdir()
        for seed, (part, count) in enumerate([("train", 60), ("dev", 15), ("test", 20)]):
            write_conll(folder / name / f"{part}.conll", sentences(count, seed))
    measured = {name: train(folder / name, folder / f"{name}-tagger", baseline=True) for name in ("en", "zh")}
    (folder / "measured.json").write_text(json.dumps(measured))
    return folder


@pytest.fixture(params=["en", "zh"])
def tagger(request, folder):
    measured = json.loads((folder / "measured.json").read_text())[request.param]
    data, model = folder / request.param, folder / f"{request.param}-tagger"
    return SimpleNamespace(language=request.param, data=data, folder=model, measured=measured)


def test_a_tagger_has_learnt_its_task(tagger):
    assert tagger.measured["test"]["f1"] == 1.0
    assert set(tagger.measured["dev"]) == {"loss", "f1", "precision", "recall", "accuracy", "types"}
    baseline = {f"baseline_{name}" for name in ("f1", "precision", "recall", "accuracy")}
    assert set(tagger.measured["test"]) == set(tagger.measured["dev"]) | baseline
    assert json.loads((tagger.folder / "metrics.json").read_text()) == tagger.measured
    types = {"en": {"PER", "LOC"}, "zh": {"LOC"}}[tagger.language]
    assert set(tagger.measured["test"]["types"]) == types
    assert tagger.measured["test"]["types"]["LOC"]["support"] == 20


def test_the_best_epoch_is_that_of_the_best_spans(tagger):
    log = [json.loads(row) for row in (tagger.folder / "training_log.jsonl").read_text().splitlines()]
    best = max((row for row in log if "eval_f1" in row), key=lambda row: row["eval_f1"])
    assert tagger.measured["dev"]["f1"] == best["eval_f1"]
    assert tagger.measured["dev"]["loss"] == pytest.approx(best["eval_loss"], abs=1e-6)


def test_evaluate_repeats_the_figures(tagger, tmp_path, capsys):
    expected = {key: value for key, value in tagger.measured["test"].items() if not key.startswith("baseline_")}
    for data in (tagger.data, tagger.data / "test.conll"):
        assert wordemb_hf.evaluate(str(tagger.folder), data, output=tmp_path / "figures.json") == expected
    assert json.loads((tmp_path / "figures.json").read_text()) == expected
    out = capsys.readouterr().out
    assert out.startswith("20 sentences: loss 0.") and "f1 1.0000" in out and "F1 of each type: LOC 1.0000" in out


def test_a_tagger_finds_spans_in_text(folder, capsys):
    text = "  Ada Alan saw Rome . Kurt Ada in"
    (answer, nothing) = wordemb_hf.predict(str(folder / "en-tagger"), [text, " "])
    found = [(span["type"], span["start"], span["end"], span["text"]) for span in answer["spans"]]
    assert found == [("PER", 2, 10, "Ada Alan"), ("LOC", 15, 19, "Rome"), ("PER", 22, 30, "Kurt Ada")]
    assert all(0.4 < span["score"] <= 1 for span in answer["spans"])
    assert (answer["text"], nothing) == (text, {"text": " ", "spans": []})
    assert capsys.readouterr().out == "  [PER Ada Alan] saw [LOC Rome] . [PER Kurt Ada] in\n \n"
    (answer,) = wordemb_hf.predict(str(folder / "zh-tagger"), ["我北京好 石家庄"])
    assert [span["text"] for span in answer["spans"]] == ["北京", "石家庄"]
    assert capsys.readouterr().out == "我[LOC 北京]好 [LOC 石家庄]\n"


def test_the_pipeline_finds_the_same(folder):
    texts = ["Ada Alan saw Rome .", "Oslo and Grace Kurt with Paris", "saw"]
    tag = pipeline("token-classification", model=str(folder / "en-tagger"), aggregation_strategy="simple")
    for text, answer in zip(texts, wordemb_hf.predict(str(folder / "en-tagger"), texts), strict=True):
        expected = [(span["entity_group"], span["start"], span["end"], span["score"]) for span in tag(text)]
        found = [(span["type"], span["start"], span["end"], span["score"]) for span in answer["spans"]]
        assert [row[:3] for row in found] == [row[:3] for row in expected]
        assert [row[3] for row in found] == pytest.approx([row[3] for row in expected], abs=1e-5)


def test_a_very_long_text_is_read_whole(folder):
    text = "Ada Alan saw Rome . " * 2000
    (answer,) = wordemb_hf.predict(str(folder / "en-tagger"), [text])
    assert [span["text"] for span in answer["spans"]] == ["Ada Alan", "Rome"] * 2000


def test_the_card_of_a_tagger(tagger, capsys, monkeypatch):
    monkeypatch.setenv("HF_MODULES_CACHE", str(tagger.folder.parent / "modules"))
    card = (tagger.folder / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: token-classification" in card
    assert "| LOC | 1.0000 | 1.0000 | 1.0000 | 20 |" in card
    assert "most frequent tag of each word (test)" in card
    assert "LOC" in re.search(r"## Examples\n.*?## What", card, re.S).group()
    assert ("stands between spaces" in card) is (tagger.language == "en")
    snippets = re.findall(r"```python\n(.*?)```", card, flags=re.S)
    assert len(snippets) == 2
    for snippet in snippets:
        capsys.readouterr()
        exec(snippet.replace(f'repo = "{tagger.folder.name}"', f"repo = {str(tagger.folder)!r}"), {})
        printed = capsys.readouterr().out.splitlines()
        promised = re.findall(r"^# (.+)$", snippet, re.M)
        assert printed
        if tagger.language == "en":
            assert printed[: len(promised)] == promised and len(promised) == 2
        else:  # transformers' pipeline joins IOB only, so nothing is promised
            assert promised == [] and all(line.split()[0][1:] == "-LOC" for line in printed)


def test_a_folder_of_a_tagger_is_complete(tagger):
    names = {path.name for path in tagger.folder.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "README.md", "metrics.json"}
    config = json.loads((tagger.folder / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["TextCNNForTokenClassification"]
    expected = {
        "en": ["O", "B-LOC", "B-PER", "I-PER"],
        "zh": ["O", "B-LOC", "E-LOC", "M-LOC"],
    }[tagger.language]
    assert list(config["id2label"].values()) == expected


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_a_tagger_is_trained_further(folder, tmp_path):
    further = train(folder / "en", tmp_path / "model", model=str(folder / "en-tagger"), settings=None, epochs=0)
    one, other = weights(tmp_path / "model"), weights(folder / "en-tagger")
    assert all(torch.equal(one[name], other[name]) for name in other)
    assert further["test"]["f1"] == 1.0


def test_other_labels_begin_a_new_head(folder, tmp_path):
    (tmp_path / "data").mkdir()
    turned = {"B-PER": "B-LOC", "I-PER": "I-LOC", "B-LOC": "B-PER", "O": "O"}  # as many, but not the same
    for seed, part in enumerate(("train", "test")):
        rows = [(words, [turned[tag] for tag in tags]) for words, tags in english(40, seed)]
        write_conll(tmp_path / "data" / f"{part}.conll", rows)
    options = {"model": str(folder / "en-tagger"), "settings": None}
    train(tmp_path / "data", tmp_path / "untrained", epochs=0, **options)
    one, other = weights(tmp_path / "untrained"), weights(folder / "en-tagger")
    assert one["tagger.weight"].shape == other["tagger.weight"].shape
    assert not torch.equal(one["tagger.weight"], other["tagger.weight"])
    assert torch.equal(one["textcnn.word_embeddings.weight"], other["textcnn.word_embeddings.weight"])
    assert train(tmp_path / "data", tmp_path / "model", **options)["test"]["f1"] == 1.0


def test_a_classifier_becomes_a_tagger(folder, tmp_path):
    (tmp_path / "train.tsv").write_text("".join(f"{name}\tAda saw {name}\n" for name in PLACES * 5))
    wordemb_hf.finetune(tmp_path / "train.tsv", tmp_path / "classifier", settings=SMALL, epochs=1)
    with pytest.raises(UserError, match=r"the label .* does not occur in the training part"):
        (tmp_path / "other.tsv").write_text("nowhere\tAda\n")
        wordemb_hf.evaluate(str(tmp_path / "classifier"), tmp_path / "other.tsv")
    measured = train(folder / "en", tmp_path / "tagger", model=str(tmp_path / "classifier"), settings=None, epochs=3)
    assert "f1" in measured["test"]


def test_a_tagger_starts_from_word_vectors(folder, tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("".join(" ".join(words) + "\n" for words, _ in english(200, 9)), encoding="utf-8")
    wordemb_hf.pretrain(
        [corpus], tmp_path / "vectors", tokenizer_kind="whitespace", min_count=1, hidden_size=8, epochs=1
    )
    settings = {key: value for key, value in SMALL.items() if key != "embedding_size"}
    measured = train(folder / "en", tmp_path / "model", vectors=tmp_path / "vectors", settings=settings)
    assert measured["test"]["f1"] == 1.0


def test_parts_of_speech(tmp_path, capsys):
    rows = [(words, [tag.replace("-", "").replace("O", "X") for tag in tags]) for words, tags in english(60, 0)]
    measured = train(write_conll(tmp_path / "train.conll", rows), tmp_path / "model", baseline=True)
    assert set(measured) == {"dev"}
    assert measured["dev"]["accuracy"] == 1.0 and "f1" not in measured["dev"]
    assert {"macro_f1", "baseline_accuracy", "baseline_macro_f1"} <= set(measured["dev"])
    assert "eval_accuracy" in (tmp_path / "model" / "training_log.jsonl").read_text()
    capsys.readouterr()
    (answer,) = wordemb_hf.predict(str(tmp_path / "model"), ["Ada Kurt saw"])
    assert [(span["type"], span["text"]) for span in answer["spans"]] == [
        ("BPER", "Ada"),
        ("IPER", "Kurt"),
        ("X", "saw"),
    ]
    assert capsys.readouterr().out == "[BPER Ada] [IPER Kurt] [X saw]\n"


def test_jsonl_is_tagged_when_the_task_says_so(folder, tmp_path):
    for name, columns in (("a", ("tokens", "tags")), ("b", ("words", "ner"))):
        rows = [dict(zip(columns, sentence, strict=True)) for sentence in english(60, 0)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"task": "tagging", "epochs": 2, "test": folder / "en" / "test.conll"}
    first = train(tmp_path / "a.jsonl", tmp_path / "one", **options)
    renamed = {"text_column": "words", "label_column": "ner"}
    del options["test"]
    second = train(tmp_path / "b.jsonl", tmp_path / "two", **options, **renamed)
    assert second["dev"] == first["dev"]
    assert wordemb_hf.evaluate(str(tmp_path / "two"), tmp_path / "b.jsonl", **renamed)["accuracy"] > 0.5


def test_a_tag_that_only_the_test_has_is_told(folder, tmp_path, capsys):
    (tmp_path / "test.conll").write_text("Ada B-PER\nRome I-LOC\n")
    sentence = f"Words whose tag the training part lacks count as wrong: 1 in {tmp_path / 'test.conll'} (I-LOC)"
    measured = train(folder / "en", tmp_path / "model", test=tmp_path / "test.conll", epochs=1)
    assert sentence in capsys.readouterr().out
    assert measured["test"]["types"]["LOC"]["support"] == 1
    wordemb_hf.evaluate(str(tmp_path / "model"), tmp_path / "test.conll")
    assert capsys.readouterr().out.endswith(sentence + "\n")


def test_a_tagger_refuses_what_it_cannot_do(folder, tmp_path):
    (tmp_path / "pos.conll").write_text("a NN\nb VB\n")
    with pytest.raises(
        UserError, match=r"the tags in .*pos\.conll \('NN', 'VB'\) are none of those to be found: 'O', "
    ):
        wordemb_hf.evaluate(str(folder / "en-tagger"), tmp_path / "pos.conll")
    with pytest.raises(UserError, match="top is 2, but a tagger gives one tag to each word: leave it out"):
        wordemb_hf.predict(str(folder / "en-tagger"), ["Ada"], top=2)
    with pytest.raises(UserError, match=r"train\.conll has an unknown extension: \.tsv, "):
        train(folder / "en" / "train.conll", tmp_path / "model", task="classification")


class WithCRF:
    """A config of a tagger with a CRF."""

    tag_decoder = "crf"


def test_what_a_crf_cannot_learn_is_told_with_its_place():
    from wordemb_hf.jobs.tagging import TaggingJob

    job, bad = TaggingJob(), tagged("a/O b/B-X", "a/O b/O c/I-X d/I-X")
    sentence = "data, line 3, word 3 of its sentence: I-X cannot follow O, so a CRF cannot learn it; mend the tags "
    with pytest.raises(UserError, match=re.escape(sentence)):
        job.check(WithCRF(), bad)
    job.check(SimpleNamespace(), bad)
    job.check(SimpleNamespace(tag_decoder="softmax"), bad)
    job.check(WithCRF(), tagged("a/B-X b/I-X", "a/O"))
    job.check(WithCRF(), tagged("a/NN b/VB"))


@pytest.mark.slow
def test_two_processes_measure_the_same(folder, tmp_path):
    """Each process answers its share of the windows, and all of them know the whole."""
    program = (
        "import sys, json, wordemb_hf\n"
        "figures = wordemb_hf.evaluate(sys.argv[1], sys.argv[2], output=sys.argv[3])\n"
        "answers = wordemb_hf.predict(sys.argv[1], ['Ada Alan saw Rome'] * 70)\n"
        "assert [len(answer['spans']) for answer in answers] == [2] * 70\n"
    )
    (tmp_path / "run.py").write_text(program)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", str(tmp_path / "run.py")]
    arguments = [str(folder / "en-tagger"), str(folder / "en" / "test.conll"), str(tmp_path / "figures.json")]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    alone = wordemb_hf.evaluate(str(folder / "en-tagger"), folder / "en" / "test.conll")
    together = json.loads((tmp_path / "figures.json").read_text())
    assert together.pop("loss") == pytest.approx(alone.pop("loss"))
    assert together == alone
