"""word2vec in plain torch against loops over numbers, which draw the same by Python's own integers."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForPreTraining, set_seed
from wordemb_hf.modeling.configuration_word2vec import Word2VecConfig

from wordemb_hf.errors import UserError
from wordemb_hf.objectives.windows import keep_probabilities
from wordemb_hf.token_ids import Ids
from wordemb_hf.word2vec import torch_step
from wordemb_hf.word2vec.philox import KEEP_BITS, alias_table, keep_thresholds
from wordemb_hf.word2vec.stretches import load_corpus
from wordemb_hf.word2vec.torch_step import train_with_torch

VOCABULARY = 30
LOW = 0xFFFFFFFF


def make_corpus(words: int, seed: int = 0) -> Ids:
    """Zipf's law, in documents of very different lengths; one is empty, one has a single word."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, VOCABULARY - 1)
    ids = rng.choice(np.arange(2, VOCABULARY), words, p=share / share.sum()).astype(np.int32)
    return Ids(ids, np.array([0, 0, 1, 3, words // 3, words // 2, words], np.int64))


def make_model(ids: Ids, **fields):
    set_seed(0)
    fields = {"hidden_size": 20, "window_size": 3, "subsample_threshold": 0.05, **fields}
    model = AutoModelForPreTraining.from_config(Word2VecConfig(vocab_size=VOCABULARY, **fields))
    model.word_counts.copy_(torch.from_numpy(ids.counts(VOCABULARY)))
    with torch.no_grad():
        for table in model.parameters():  # output vectors begin at zero, where many mistakes do not show
            table.normal_(0, 0.4)
    return model


def tables(model) -> tuple[torch.Tensor, torch.Tensor]:
    return model.word2vec.word_embeddings.weight, model.output_embeddings.weight


def philox(seed: int, position: int, epoch: int, purpose: int) -> list[int]:
    numbers, keys = [position & LOW, position >> 32, epoch, purpose], [seed & LOW, seed >> 32]
    for _ in range(10):
        left, right = numbers[0] * 0xD2511F53, numbers[2] * 0xCD9E8D57
        numbers = [right >> 32 ^ numbers[1] ^ keys[0], right & LOW, left >> 32 ^ numbers[3] ^ keys[1], left & LOW]
        keys = [(keys[0] + 0x9E3779B9) & LOW, (keys[1] + 0xBB67AE85) & LOW]
    return numbers


class Oracle:
    """The training in float64, one number after another, a window after the other."""

    def __init__(self, model, ids: Ids, mean_gradient: bool = False):
        self.config, self.ids, self.mean_gradient = model.config, ids, mean_gradient
        self.inputs, self.outputs = (table.detach().double().numpy().copy() for table in tables(model))
        counts = model.word_counts.numpy()
        self.keep = keep_thresholds(keep_probabilities(counts, self.config.subsample_threshold))
        self.noise = alias_table(np.where(counts > 0, counts.astype(float) ** self.config.negative_exponent, 0))

    def train(self, epochs: int, learning_rate: float, floor: float, seed: int) -> float:
        """Train; the mean loss in the last epoch."""
        words = len(self.ids.ids)
        for epoch in range(epochs):
            losses: list[float] = []
            for start, end in zip(self.ids.offsets, self.ids.offsets[1:], strict=False):
                text = []
                for place in range(start, end):
                    chance, width, _, _ = philox(seed, place, epoch, 0)
                    if chance >> 32 - KEEP_BITS < self.keep[self.ids.ids[place]]:
                        text.append((int(self.ids.ids[place]), place, 1 + (width * self.config.window_size >> 32)))
                for middle, (word, place, width) in enumerate(text):
                    around = text[max(0, middle - width) : middle] + text[middle + 1 : middle + 1 + width]
                    rate = learning_rate * max(1 - (epoch * words + place) / (epochs * words), floor)
                    noise = [self.draw(*philox(seed, place, epoch, 1 + k)) for k in range(self.config.num_negatives)]
                    losses += self.window([other for other, _, _ in around], word, noise, rate)
        return float(np.mean(losses))

    def draw(self, slot: int, chance: int, *_: int) -> int:
        word = slot * VOCABULARY >> 32
        return word if chance >> 32 - KEEP_BITS < self.noise[word, 0] else int(self.noise[word, 1])

    def window(self, around: list[int], word: int, noise: list[int], rate: float) -> list[float]:
        """Nothing changes before all is computed; the losses of its predictions."""
        cbow = self.config.algorithm == "cbow" and around
        steps, losses = [], []
        for source in [around] if cbow else [[other] for other in around]:
            mean, error, loss = np.mean([self.inputs[other] for other in source], axis=0), 0.0, 0.0
            for row, label in [(word, 1), *((drawn, 0) for drawn in noise if drawn != word)]:
                probability = 1 / (1 + np.exp(-mean @ self.outputs[row]))
                error = error + rate * (label - probability) * self.outputs[row]
                steps.append((self.outputs, row, rate * (label - probability) * mean))
                loss -= np.log(probability if label else 1 - probability)
            losses.append(loss)
            steps += [(self.inputs, other, error / (len(source) if self.mean_gradient else 1)) for other in source]
        for table, row, step in steps:
            table[row] += step
        return losses


VARIANTS = [
    {},
    {"num_negatives": 1, "hidden_size": 7},
    {"num_negatives": 7, "hidden_size": 24, "window_size": 2},
    {"subsample_threshold": 0, "negative_exponent": 0, "window_size": 5},
    {"algorithm": "cbow"},
    {"algorithm": "cbow", "num_negatives": 1, "hidden_size": 33, "window_size": 5},
    {"algorithm": "cbow", "mean_gradient": True, "num_negatives": 7},
]
SETTINGS = {"epochs": 2, "learning_rate": 0.2, "floor": 0.1, "seed": 2**40 + 5}

variants = pytest.mark.parametrize(
    "fields", VARIANTS, ids=lambda fields: "-".join(map(str, fields.values())) or "plain"
)


def prepare(fields: dict, words: int):
    """A corpus, a model, an oracle that has not been trained, and what the engine is told."""
    ids = make_corpus(words)
    options = {name: fields[name] for name in ("mean_gradient",) if name in fields}
    model = make_model(ids, **{name: value for name, value in fields.items() if name not in options})
    return ids, model, Oracle(model, ids, **options), {**SETTINGS, **options}


def check(before: tuple[np.ndarray, ...], after: tuple[np.ndarray, ...], oracle: Oracle) -> None:
    for old, new, expected in zip(before, after, (oracle.inputs, oracle.outputs), strict=True):
        np.testing.assert_allclose(new, expected, atol=1e-5)
        assert np.abs(expected - old).max() > 0.05
        np.testing.assert_array_equal(new[:2], old[:2])


def copies(model) -> tuple[np.ndarray, ...]:
    return tuple(table.detach().numpy().copy() for table in tables(model))


@variants
def test_windows_one_by_one_give_the_numbers_of_loops(fields, monkeypatch):
    monkeypatch.setattr(torch_step, "_STRETCH", 77)
    ids, model, oracle, options = prepare(fields, words=200)
    before = copies(model)
    loss = train_with_torch(model, ids, batch_size=1, **options)
    assert loss == pytest.approx(oracle.train(**SETTINGS), rel=1e-5)
    check(before, copies(model), oracle)


def test_a_run_goes_on_anywhere(monkeypatch):
    ids = make_corpus(400)
    whole, parts = make_model(ids), make_model(ids)
    seen = []
    train_with_torch(whole, ids, batch_size=1, **SETTINGS)
    corpus = load_corpus(parts, ids)
    monkeypatch.setattr(torch_step, "_STRETCH", 50)
    for first, last in ((0, 123), (123, 456), (456, None)):
        train_with_torch(
            parts,
            corpus,
            batch_size=1,
            first_position=first,
            last_position=last,
            on_progress=lambda words, loss: seen.append((words, loss)),
            **SETTINGS,
        )
    for one, other in zip(copies(whole), copies(parts), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert [words for words, _ in seen] == [
        50,
        100,
        123,
        *range(173, 400, 50),
        400,
        450,
        456,
        *range(506, 800, 50),
        800,
    ]
    assert all(loss > 0 for _, loss in seen)


def make_groups(words: int, groups: int = 12, size: int = 20) -> Ids:
    """Documents of one group of words each, beside words that are everywhere; frequencies are Zipf's."""
    rng = np.random.default_rng(0)
    shared, texts = 10, []
    while sum(map(len, texts)) < words:
        share = np.concatenate([1 / np.arange(1, shared + 1), 1 / np.arange(1, size + 1)])
        group = np.concatenate([np.arange(shared), shared + rng.integers(groups) + groups * np.arange(size)])
        texts.append(2 + rng.choice(group, 20, p=share / share.sum()).astype(np.int32))
    return Ids(np.concatenate(texts), np.arange(0, 20 * len(texts) + 1, 20, dtype=np.int64))


def share_of_own_group(vectors: torch.Tensor, groups: int = 12, shared: int = 10) -> float:
    """How often a word's nearest one is from its group."""
    vectors = torch.nn.functional.normalize(vectors[2 + shared :].detach(), dim=1)
    nearest = (vectors @ vectors.T).fill_diagonal_(-2).argmax(1)
    return float((nearest % groups == torch.arange(len(vectors)) % groups).float().mean())


@pytest.mark.parametrize(("algorithm", "batch_size"), [("skipgram", 4096), ("cbow", None)])
def test_large_batches_learn_and_do_not_diverge(algorithm, batch_size):
    ids = make_groups(40_000)
    counts = ids.counts(2 + 10 + 12 * 20)
    set_seed(0)
    config = Word2VecConfig(vocab_size=len(counts), hidden_size=30, algorithm=algorithm, subsample_threshold=0.01)
    model = AutoModelForPreTraining.from_config(config)
    model.word_counts.copy_(torch.from_numpy(counts))
    losses = []
    train_with_torch(
        model,
        ids,
        epochs=8,
        learning_rate=0.1,
        batch_size=batch_size,
        on_progress=lambda words, loss: losses.append(loss),
    )
    assert losses[-1] < 0.9 * losses[0]
    assert share_of_own_group(tables(model)[0]) > 0.8


def test_a_rate_that_diverges_is_named(monkeypatch):
    monkeypatch.setattr(torch_step, "_STRETCH", 100)
    ids = make_corpus(400)
    with pytest.raises(UserError, match=r"learning_rate is 1e\+30: the loss is no number any more after .* smaller"):
        train_with_torch(make_model(ids), ids, epochs=3, learning_rate=1e30, batch_size=1)


@pytest.mark.parametrize(
    ("options", "fields", "message"),
    [
        ({"epochs": 0}, {}, "epochs is 0, but must be at least 1"),
        ({"learning_rate": -1.0}, {}, "learning_rate is -1.0, but must be a number above 0"),
        ({"floor": 2}, {}, "floor is 2, but must be a share"),
        ({"seed": -1}, {}, "seed is -1, but must be at least 0"),
        ({"first_position": 900}, {}, "first_position is 900 .* 0 to 800"),
        ({"last_position": 801}, {}, "last_position 801.* 0 to 800"),
        ({"batch_size": 0}, {}, "batch_size is 0, but must be at least 1"),
        ({}, {"loss": "hierarchical_softmax"}, "loss is 'hierarchical_softmax', but this engine"),
        ({}, {"num_ngram_buckets": 9}, "num_ngram_buckets is 9, but this engine"),
    ],
)
def test_what_cannot_be_is_refused(options, fields, message):
    ids = make_corpus(400)
    with pytest.raises(UserError, match=message):
        train_with_torch(make_model(ids, **fields), ids, **{"epochs": 2, "learning_rate": 0.1, **options})


def test_a_corpus_that_does_not_fit_is_refused():
    ids = make_corpus(40)
    model = make_model(ids)
    with pytest.raises(UserError, match="the corpus holds 0 words"):
        load_corpus(model, Ids(np.zeros(0, np.int32), np.zeros(1, np.int64)))
    with pytest.raises(UserError, match="the corpus holds the id 30, but ids are 0 to 29"):
        load_corpus(model, Ids(np.array([3, 30], np.int32), np.array([0, 2])))
    model.word_counts.zero_()
    with pytest.raises(UserError, match="word_counts of the model are all 0"):
        load_corpus(model, ids)
    with pytest.raises(UserError, match=r"the model is in torch\.bfloat16"):
        train_with_torch(make_model(ids).bfloat16(), ids, epochs=1, learning_rate=0.1)


def test_single_words_train_nothing():
    ids = Ids(np.array([2, 3, 4], np.int32), np.arange(4, dtype=np.int64))
    model = make_model(ids)
    before = copies(model)
    assert train_with_torch(model, ids, epochs=1, learning_rate=0.1) == 0
    for old, new in zip(before, copies(model), strict=True):
        np.testing.assert_array_equal(old, new)
