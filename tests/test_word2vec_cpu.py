"""The CPU engine of word2vec against loops over numbers, which follow the papers word by word."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForPreTraining, set_seed
from wordemb_hf.modeling.configuration_word2vec import Word2VecConfig

from wordemb_hf.errors import UserError
from wordemb_hf.token_ids import Ids

pytest.importorskip("numba", reason="the CPU engine needs numba")

from wordemb_hf.word2vec import cpu_engine
from wordemb_hf.word2vec.cpu_engine import CPUEngine
from wordemb_hf.word2vec.sampling import alias_table, keep_thresholds

VOCABULARY = 30
STRETCH = 150  # words: it cuts documents, and leaves a rest
MASK = (1 << 64) - 1


def make_corpus(words: int = 400, seed: int = 0) -> Ids:
    """Zipf's law, in documents of very different lengths; one is empty, one has a single word."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, VOCABULARY - 1)
    ids = rng.choice(np.arange(2, VOCABULARY), words, p=share / share.sum()).astype(np.int32)
    cuts = [0, 0, 1, 3, *sorted(rng.choice(np.arange(4, words), 12, replace=False).tolist()), words]
    return Ids(ids, np.array(cuts, np.int64))


def make_model(ids: Ids, **fields):
    set_seed(0)
    fields = {"hidden_size": 20, "window_size": 3, "subsample_threshold": 0.05, "max_code_length": 12, **fields}
    if fields.get("num_ngram_buckets"):
        fields["max_ngrams"] = 5
    model = AutoModelForPreTraining.from_config(Word2VecConfig(vocab_size=VOCABULARY, **fields))
    model.set_word_counts(torch.from_numpy(ids.counts(VOCABULARY)))
    with torch.no_grad():
        # Output vectors begin at zero, where many mistakes do not show.
        outputs(model).normal_(0, 0.3)
        model.word2vec.word_embeddings.weight.normal_(0, 0.3)
        if fields.get("num_ngram_buckets"):
            model.word2vec.ngram_embeddings.weight[1:].normal_(0, 0.3)
            rng = np.random.default_rng(1)
            counts = rng.integers(0, 6, VOCABULARY)  # words without n-grams as well
            table = np.zeros((VOCABULARY, 5), np.int32)
            for word in range(2, VOCABULARY):
                table[word, : counts[word]] = rng.integers(1, fields["num_ngram_buckets"] + 1, counts[word])
            model.word2vec.word_ngrams.copy_(torch.from_numpy(table))
    return model


def train(model, ids: Ids, *pieces: int, **options) -> list[float]:
    """Train to the end, in pieces that end at these stretches; the losses that were reported."""
    losses: list[float] = []
    options = {"epochs": 2, "learning_rate": 0.1, "seed": 5, "threads": 1, **options}
    for first, last in zip((0, *pieces), (*pieces, None), strict=True):
        with CPUEngine(model, ids, **options) as engine:
            engine.train(first, last, on_progress=lambda _, loss: losses.append(loss))
    return losses


def outputs(model) -> torch.Tensor:
    return (model.get_output_embeddings() or model.node_embeddings).weight


class Generator:
    """Knuth's MMIX generator, in Python's own integers."""

    def __init__(self, seed: int):
        self.state = seed

    def bits(self) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return self.state >> 32

    def below(self, count: int) -> int:
        return (self.bits() * count) >> 32


class Oracle:
    """The engine in float64, one number after another."""

    def __init__(self, model, ids: Ids):
        self.config, self.ids = model.config, ids
        self.inputs = model.word2vec.word_embeddings.weight.detach().double().numpy().copy()
        self.outputs = outputs(model).detach().double().numpy().copy()
        self.ngrams = self.word_ngrams = None
        if self.config.num_ngram_buckets:
            self.ngrams = model.word2vec.ngram_embeddings.weight.detach().double().numpy().copy()
            self.word_ngrams = [[row for row in rows if row] for rows in model.word2vec.word_ngrams.tolist()]
        if self.config.loss == "hierarchical_softmax":
            self.codes, self.paths = model.huffman_codes.tolist(), model.huffman_paths.tolist()
        counts = model.word_counts.numpy()
        self.keep = keep_thresholds(counts, self.config.subsample_threshold)
        self.noise = alias_table(np.where(counts > 0, counts.astype(float) ** self.config.negative_exponent, 0))

    def train(self, epochs: int, learning_rate: float, seed: int) -> None:
        words, length = len(self.ids.ids), STRETCH
        number = 0
        for epoch in range(epochs):
            for start in range(0, words, length):
                rate = learning_rate * max(1 - (epoch * words + start) / (epochs * words), 1e-4)
                self.stretch(start, min(start + length, words), rate, int(cpu_engine._seed_of(seed, number)))
                number += 1

    def stretch(self, start: int, stop: int, rate: float, seed: int) -> None:
        generator, config = Generator(seed), self.config
        negatives = 0 if config.loss == "hierarchical_softmax" else config.num_negatives
        noise = self.draw(generator, negatives)
        for first, end in zip(self.ids.offsets, self.ids.offsets[1:], strict=False):
            text = [
                int(word)
                for word in self.ids.ids[max(first, start) : max(min(end, stop), start)]
                if generator.bits() <= self.keep[word]
            ]
            for middle, word in enumerate(text):
                reach = config.window_size - generator.below(config.window_size)
                around = text[max(0, middle - reach) : middle] + text[middle + 1 : middle + 1 + reach]
                if not around:
                    continue
                centre_predicts = config.num_ngram_buckets and config.algorithm == "skipgram"
                sources = (
                    [[word]] if centre_predicts else ([around] if config.algorithm == "cbow" else [[w] for w in around])
                )
                wanted = around if centre_predicts else [word]
                self.window(sources, wanted, noise, rate)
                noise = self.draw(generator, negatives) if negatives else noise

    def draw(self, generator: Generator, count: int) -> list[int]:
        noise = []
        for _ in range(count):
            word = generator.below(VOCABULARY)
            noise.append(word if generator.bits() < self.noise[word, 0] else int(self.noise[word, 1]))
        return noise

    def vector(self, word: int) -> np.ndarray:
        if self.ngrams is None:
            return self.inputs[word].copy()
        return np.mean([self.inputs[word], *(self.ngrams[row] for row in self.word_ngrams[word])], axis=0)

    def window(self, sources: list[list[int]], wanted: list[int], noise: list[int], rate: float) -> None:
        """Each source, the mean of words, predicts each word wanted; nothing changes before all is computed."""
        steps = []
        for source in sources:
            mean, error = np.mean([self.vector(word) for word in source], axis=0), 0.0
            for word in wanted:
                if self.config.loss == "hierarchical_softmax":
                    pairs = [(n, 1 - c) for n, c in zip(self.paths[word], self.codes[word], strict=True) if c >= 0]
                else:
                    pairs = [(word, 1), *((drawn, 0) for drawn in noise if drawn != word)]
                for row, label in pairs:
                    factor = rate * (label - 1 / (1 + np.exp(-mean @ self.outputs[row])))
                    error = error + factor * self.outputs[row]
                    steps.append((self.outputs, row, factor * mean))
            for word in source:
                steps.append((self.inputs, word, error))
                if self.ngrams is not None:
                    steps += [(self.ngrams, row, error) for row in self.word_ngrams[word]]
        for table, row, step in steps:
            table[row] += step


VARIANTS = [
    {},
    {"num_negatives": 1},
    {"num_negatives": 7, "hidden_size": 24, "window_size": 2},
    {"loss": "hierarchical_softmax"},
    {"algorithm": "cbow"},
    {"algorithm": "cbow", "num_negatives": 6, "hidden_size": 1},
    {"algorithm": "cbow", "loss": "hierarchical_softmax", "hidden_size": 40},
    {"num_ngram_buckets": 17},
    {"num_ngram_buckets": 17, "loss": "hierarchical_softmax"},
    {"num_ngram_buckets": 17, "algorithm": "cbow"},
    {"num_ngram_buckets": 17, "algorithm": "cbow", "loss": "hierarchical_softmax"},
    {"subsample_threshold": 0, "negative_exponent": 0, "window_size": 1},
]


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch):
    monkeypatch.setattr(cpu_engine, "stretch_length", lambda words: STRETCH)


@pytest.mark.parametrize("fields", VARIANTS, ids=lambda fields: "-".join(map(str, fields.values())) or "default")
def test_the_numbers_are_those_of_loops(fields):
    ids = make_corpus()
    model = make_model(ids, **fields)
    oracle = Oracle(model, ids)
    before = oracle.inputs.copy()
    oracle.train(epochs=2, learning_rate=0.1, seed=5)
    train(model, ids)
    np.testing.assert_allclose(model.word2vec.word_embeddings.weight.detach().numpy(), oracle.inputs, atol=1e-5)
    np.testing.assert_allclose(outputs(model).detach().numpy(), oracle.outputs, atol=1e-5)
    if oracle.ngrams is not None:
        np.testing.assert_allclose(model.word2vec.ngram_embeddings.weight.detach().numpy(), oracle.ngrams, atol=1e-5)
    assert np.abs(oracle.inputs - before).max() > 0.05 and not (oracle.inputs - before)[:2].any()
    assert model.word2vec.word_embeddings.weight.is_contiguous()


def test_one_thread_gives_the_same_numbers_also_in_pieces():
    ids = make_corpus()
    whole, pieces = make_model(ids), make_model(ids)
    train(whole, ids)
    train(pieces, ids, 1, 4)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, pieces.state_dict()[name]), name


@pytest.mark.parametrize("loss", ["negative_sampling", "hierarchical_softmax"])
@pytest.mark.parametrize("algorithm", ["skipgram", "cbow"])
def test_the_loss_that_is_shown_is_that_of_the_model(loss, algorithm):
    # One window in a document: the only one, and measured. It learns nothing, so the model can be asked afterwards.
    ids = Ids(np.array([5, 9], np.int32), np.array([0, 2], np.int64))
    corpus = make_corpus()
    model = make_model(corpus, loss=loss, algorithm=algorithm, subsample_threshold=0, num_negatives=400)
    (shown,) = train(model, ids, epochs=1, learning_rate=1e-12)
    pair = {"input_ids": torch.tensor([[9]]), "labels": torch.tensor([5])}
    with torch.no_grad():
        expected = torch.stack([model(**pair).loss for _ in range(50)]).mean().item()
    assert shown == pytest.approx(expected, rel=0.05 if loss == "negative_sampling" else 1e-4)


def test_threads_find_what_stands_together():
    # Words 2 to 11 stand with each other, and so do 12 to 21.
    rng = np.random.default_rng(0)
    topics = rng.integers(0, 2, 600)
    ids = np.concatenate([rng.integers(2 + 10 * topic, 12 + 10 * topic, 20) for topic in topics]).astype(np.int32)
    corpus = Ids(ids, np.arange(0, len(ids) + 1, 20))
    model = make_model(corpus, subsample_threshold=0)
    losses = train(model, corpus, threads=3, epochs=5)
    assert losses[-1] < losses[0]
    vectors = torch.nn.functional.normalize(model.word2vec.word_embeddings.weight[2:22], dim=1)
    alike = (vectors @ vectors.T).fill_diagonal_(-1).argmax(1)
    assert ((alike < 10) == (torch.arange(20) < 10)).all()


def test_processes_share_the_text():
    """Each takes its part of the stretches: two of them, one after the other, read all of it once."""
    ids = make_corpus()
    model = make_model(ids)
    seen: list[int] = []
    with CPUEngine(model, ids, epochs=2, learning_rate=0.1, threads=1) as engine:
        engine._learn = lambda stretch, loss: seen.append(stretch)
        engine.train(part=(0, 2))
        engine.train(part=(1, 2))
    assert sorted(seen) == list(range(engine.stretches)) == list(range(6)) and seen[:3] == [0, 2, 4]


def test_a_rate_that_diverges_is_named():
    ids = make_corpus()
    with pytest.raises(UserError, match=r"learning_rate is 1e\+30: after .* words the loss is no number any more"):
        train(make_model(ids), ids, learning_rate=1e30)


def test_documents_without_a_pair_of_words():
    ids = Ids(np.array([2, 3, 4], np.int32), np.array([0, 0, 1, 2, 3, 3], np.int64))
    model = make_model(make_corpus())
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    assert train(model, ids) == []
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_the_alias_table_draws_by_weight():
    weights = np.array([0, 0, 5.0, 1, 0, 100, 3, 0.5])
    table = alias_table(weights).astype(np.float64)
    own = (table[:, 0] + 1) / 2**32
    share = np.zeros(len(weights))
    np.add.at(share, np.arange(len(weights)), np.where(table[:, 0] > 0, own, 0))
    np.add.at(share, table[:, 1].astype(int), 1 - np.where(table[:, 0] > 0, own, 0))
    np.testing.assert_allclose(share / len(weights), weights / weights.sum(), atol=1e-8)


@pytest.mark.parametrize("wrong", [-1, VOCABULARY])
def test_an_id_outside_of_the_vocabulary_is_refused(wrong):
    model = make_model(make_corpus())
    ids = Ids(np.array([2, wrong, 3], np.int32), np.array([0, 3], np.int64))
    with pytest.raises(UserError, match=f"the corpus holds the id {wrong}, but ids are 0 to 29"):
        train(model, ids)
    model.word_counts.zero_()
    with pytest.raises(UserError, match="word_counts of the model are all 0"):
        train(model, make_corpus())
