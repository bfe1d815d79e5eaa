"""The task of tagging: words keep their tags however they are tokenised, and sentences may have any length."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wordemb_hf.conll import TaggedSentences
from wordemb_hf.errors import UserError
from wordemb_hf.evaluation import TaggingMetrics
from wordemb_hf.tasks.tagging import Tagging, tags_of, words_of
from wordemb_hf.tasks.windows import EncodedSentences, plan
from wordemb_hf.training import make_accelerator
from wordemb_hf.vocabulary import build_tokenizer

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
