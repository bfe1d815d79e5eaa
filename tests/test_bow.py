"""The bag of words against scikit-learn, loops after the papers, and the sizes of what it computes."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import normalize
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModel, PreTrainedTokenizerFast, pipeline
from wordemb_hf.modeling import BowConfig, BowForSequenceClassification, BowModel
from wordemb_hf.modeling.sparse_features import count_distinct, log_count_ratios
from wordemb_hf.modeling.word_bigrams import hash_bigrams

from wordemb_hf import bag_of_words
from wordemb_hf.bag_of_words import fit_bag_of_words
from wordemb_hf.errors import UserError
from wordemb_hf.vocabulary import build_tokenizer


def texts_of(lengths: range, seed: int) -> list[str]:
    """Texts of up to sixty words, some frequent and most rare."""
    random = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in random.zipf(1.3, size=length) % 60) for length in lengths]


TRAIN, NEW = texts_of(range(1, 25), seed=0), texts_of(range(30), seed=1)
LABELS = np.arange(len(TRAIN)) % 3


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(TRAIN, min_count=1)


def rows_of(tokenizer, texts=TRAIN) -> list[list[int]]:
    return tokenizer(texts)["input_ids"]


def vectors_of(model: BowModel, tokenizer, texts) -> np.ndarray:
    with torch.no_grad():
        return model(**tokenizer(texts, return_tensors="pt", padding=True)).pooler_output.numpy()


def classifier_of(tokenizer, **fields) -> BowForSequenceClassification:
    """Fitted, and with a random table on top."""
    torch.manual_seed(0)
    settings = {"num_bigram_buckets": 64, "num_labels": 3, **fields}
    model = BowForSequenceClassification(BowConfig(vocab_size=len(tokenizer), **settings)).eval()
    fit_bag_of_words(model, rows_of(tokenizer), LABELS)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    return model


# The vector of a text


@pytest.mark.parametrize("normalization", ["none", "l2"])
@pytest.mark.parametrize("weighting", ["binary", "count", "tfidf", "sublinear-tfidf"])
def test_vectors_of_words_are_those_of_scikit_learn(tokenizer, weighting, normalization):
    model = BowModel(BowConfig(vocab_size=len(tokenizer), weighting=weighting, normalization=normalization))
    fit_bag_of_words(model, rows_of(tokenizer))
    options = {"vocabulary": sorted({word for text in TRAIN for word in text.split()}), "token_pattern": r"\S+"}
    if weighting.endswith("tfidf"):
        vectorizer = TfidfVectorizer(**options, norm=None, sublinear_tf=weighting.startswith("sublinear"))
    else:
        vectorizer = CountVectorizer(**options, binary=weighting == "binary")
    vectorizer.fit(TRAIN)
    assert not set(" ".join(NEW).split()) <= set(options["vocabulary"])
    for texts in (TRAIN, NEW):
        expected = vectorizer.transform(texts).toarray()
        expected = normalize(expected) if normalization == "l2" else expected
        actual = vectors_of(model, tokenizer, texts)
        columns = tokenizer.convert_tokens_to_ids(options["vocabulary"])
        np.testing.assert_allclose(actual[:, columns], expected, atol=1e-5)
        assert not np.delete(actual, columns, axis=1).any()


def test_vectors_of_bigrams_are_those_of_scikit_learn(tokenizer):
    buckets = 2**20  # so many that no two of these pairs share one
    model = BowModel(BowConfig(vocab_size=len(tokenizer), num_bigram_buckets=buckets, weighting="sublinear-tfidf"))
    fit_bag_of_words(model, rows_of(tokenizer))
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", sublinear_tf=True).fit(TRAIN)
    columns = []
    for term in vectorizer.get_feature_names_out():
        ids = tokenizer.convert_tokens_to_ids(term.split())
        columns.append(ids[0] if len(ids) == 1 else len(tokenizer) + bucket_of(*ids, buckets))
    assert len(set(columns)) == len(columns)
    for texts in (TRAIN, NEW):
        actual, expected = vectors_of(model, tokenizer, texts), vectorizer.transform(texts).toarray()
        # What no training text has is unknown to scikit-learn, and weighs nothing here.
        np.testing.assert_allclose(actual[:, columns], expected, atol=1e-5)
        assert not np.delete(actual, columns, axis=1).any()


def test_distinct_ids_are_counted_as_a_counter_does():
    ids = torch.randint(0, 5, (20, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.rand(20, 9, generator=torch.Generator().manual_seed(1)) < 0.7
    mask[0] = False
    found, counts = count_distinct(ids, mask)
    for row in range(20):
        expected = Counter(ids[row][mask[row]].tolist())
        here = counts[row] > 0
        assert dict(zip(found[row][here].tolist(), counts[row][here].tolist(), strict=True)) == expected
        assert here.sum() == len(expected)


def test_holes_and_padding_change_nothing():
    torch.manual_seed(0)
    model = BowModel(BowConfig(vocab_size=20, num_bigram_buckets=50))
    ids, mask = torch.randint(0, 20, (30, 12)), torch.rand(30, 12) < 0.5
    together = model(ids, mask).pooler_output
    for row in range(30):
        alone = model(ids[row][mask[row]].unsqueeze(0), torch.ones(1, int(mask[row].sum()))).pooler_output
        assert torch.equal(together[row], alone[0])


def test_a_text_of_ten_thousand_tokens_beside_a_short_one():
    model = BowModel(BowConfig(vocab_size=500, num_bigram_buckets=1000, weighting="count", normalization="none"))
    long = torch.randint(1, 500, (10_000,), generator=torch.Generator().manual_seed(0))
    ids = nn.utils.rnn.pad_sequence([long, long[:3]], batch_first=True)
    vectors = model(ids).pooler_output
    words = Counter(long.tolist())
    pairs = Counter(500 + bucket_of(*pair, 1000) for pair in pairwise(long.tolist()))
    expected = torch.zeros(1500)
    for feature, number in (words + pairs).items():
        expected[feature] = number
    assert torch.equal(vectors[0], expected)
    assert vectors[1].sum() == 3 + 2


@pytest.mark.parametrize("model_class", [BowModel, BowForSequenceClassification])
def test_vectors_cannot_be_counted(model_class):
    model = model_class(BowConfig(vocab_size=20))
    ids, vectors = torch.ones(1, 3, dtype=torch.int64), torch.ones(1, 3, 4)
    for inputs in ({}, {"inputs_embeds": vectors}, {"input_ids": ids, "inputs_embeds": vectors}):
        with pytest.raises(ValueError, match="inputs_embeds"):
            model(**inputs)


# Bigrams


def bucket_of(left: int, right: int, num_buckets: int) -> int:
    """In Python's integers, which have no end."""
    return (1_402_024_253 * left + 872_817_427 * right) % (2**31 - 1) % num_buckets


@pytest.mark.parametrize("num_buckets", [1, 7, 2**18, 2**31 - 2])
def test_bigrams_are_a_loop_over_neighbours(num_buckets):
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 2**31 - 1, (30, 9), generator=random)
    ids[0], ids[1] = 2**31 - 2, 0  # the largest products, and the smallest
    mask = torch.rand(30, 9, generator=random) < 0.7
    mask[0], mask[2] = True, False
    buckets, ends = hash_bigrams(ids, mask, num_buckets)
    for row in range(30):
        tokens = ids[row][mask[row]].tolist()
        assert buckets[row][ends[row]].tolist() == [bucket_of(*pair, num_buckets) for pair in pairwise(tokens)]
        assert not (ends[row] & ~mask[row]).any()


def test_buckets_are_those_of_saved_models():
    buckets, _ = hash_bigrams(torch.tensor([[5, 17, 5, 30_000]]), torch.ones(1, 4, dtype=torch.bool), 2**18)
    assert buckets[0, 1:].tolist() == [150142, 193657, 26725]


@pytest.mark.parametrize("num_buckets", [2**12, 4099])
def test_pairs_of_frequent_words_spread_over_the_buckets(num_buckets):
    left, right = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    pairs = torch.stack([left.flatten(), right.flatten()], 1)
    buckets = hash_bigrams(pairs, torch.ones_like(pairs, dtype=torch.bool), num_buckets)[0][:, 1]
    mean = len(pairs) / num_buckets
    chi_square = ((torch.bincount(buckets, minlength=num_buckets) - mean) ** 2 / mean).sum() / num_buckets
    assert chi_square < 1.2  # 1 by chance; far more where pairs pile up
    swapped = hash_bigrams(pairs.flip(1), torch.ones_like(pairs, dtype=torch.bool), num_buckets)[0][:, 1]
    assert (buckets == swapped)[left.flatten() != right.flatten()].float().mean() < 0.01


# The classifier


@pytest.mark.parametrize("feature_scaling", ["none", "log-count-ratio"])
def test_logits_are_the_vector_times_the_table(tokenizer, feature_scaling):
    model = classifier_of(tokenizer, feature_scaling=feature_scaling)
    tables = []
    for part in (model.classifier.words, model.classifier.bigrams):
        scales = 1.0 if part.scales is None else part.scales.weight.unsqueeze(1)
        tables.append(part.rows.weight * scales)
    inputs = tokenizer(NEW, return_tensors="pt", padding=True)
    expected = model.bow(**inputs).pooler_output @ torch.cat(tables) + model.classifier.bias
    torch.testing.assert_close(model(**inputs).logits, expected)
    assert torch.equal(model(**tokenizer([""], return_tensors="pt")).logits[0], model.classifier.bias)


def test_ratios_are_a_loop_after_the_paper():
    random = np.random.default_rng(0)
    features, labels = random.random((30, 12)) < 0.3, np.arange(30) % 4
    features[:, 5] = False  # in no text
    counts = torch.from_numpy(np.stack([features[labels == label].sum(0) for label in range(4)]))
    ratios = log_count_ratios(counts.float(), counts.sum(0).float())
    seen = [feature for feature in range(12) if feature != 5]
    for label in range(4):
        p, q = dict.fromkeys(seen, 1.0), dict.fromkeys(seen, 1.0)  # alpha
        for text in range(30):
            for feature in seen:
                if features[text, feature]:
                    (p if labels[text] == label else q)[feature] += 1.0
        for feature in seen:
            expected = math.log((p[feature] / sum(p.values())) / (q[feature] / sum(q.values())))
            assert float(ratios[label, feature]) == pytest.approx(expected, abs=1e-5)
    assert not ratios[:, 5].any()


def test_texts_are_read_in_batches_of_bounded_size(monkeypatch):
    monkeypatch.setattr(bag_of_words, "_BATCH_TOKENS", 60)
    lengths = [*range(20), 100, 0, 0, *range(20, 0, -1)]
    batches = list(bag_of_words._batches([1] * length for length in lengths))
    assert [length for _, mask in batches for length in mask.sum(1).tolist()] == lengths
    assert all(ids.numel() <= 60 or len(ids) == 1 for ids, _ in batches) and len(batches) < 20


@pytest.mark.parametrize("batch_tokens", [1, 60, 1 << 18])
def test_fitting_reads_every_text_once(tokenizer, batch_tokens, monkeypatch):
    monkeypatch.setattr(bag_of_words, "_BATCH_TOKENS", batch_tokens)
    model = BowForSequenceClassification(BowConfig(vocab_size=len(tokenizer), num_bigram_buckets=64, num_labels=3))
    texts = [[], *rows_of(tokenizer)]
    labels = np.array([0, *LABELS])
    fit_bag_of_words(model, (row for row in texts), labels)
    present = np.zeros((len(texts), model.config.hidden_size), dtype=bool)
    for number, row in enumerate(texts):
        present[number, row] = True
        present[number, [len(tokenizer) + bucket_of(*pair, 64) for pair in pairwise(row)]] = True
    frequencies = present.sum(0)
    idf = np.where(frequencies > 0, np.log((1 + len(texts)) / (1 + frequencies)) + 1, 0)
    fitted = torch.cat([model.bow.word_idf.weight, model.bow.bigram_idf.weight])
    np.testing.assert_allclose(fitted, idf, rtol=1e-5)
    counts = torch.from_numpy(np.stack([present[labels == label].sum(0) for label in range(3)]))
    ratios = log_count_ratios(counts.float(), torch.from_numpy(frequencies).float()).T
    parts = (model.classifier.words, model.classifier.bigrams)
    tables = torch.cat([part.rows.weight * part.scales.weight.unsqueeze(1) for part in parts])
    torch.testing.assert_close(tables.detach(), 0.1 * ratios)


def test_labels_may_be_several():
    """Two labels that exclude each other, and the same as 0 and 1 for each."""
    rows, labels = [[2, 3], [3, 4, 4], [5, 2], [6]], np.array([0, 1, 1, 0])
    models = []
    for given in (labels, np.eye(2)[labels]):
        model = BowForSequenceClassification(BowConfig(vocab_size=8, num_bigram_buckets=9))
        fit_bag_of_words(model, rows, given)
        models.append(model.state_dict())
    for name, tensor in models[0].items():
        assert torch.equal(tensor, models[1][name]), name


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        ([], None, "no text"),
        ([[2], [3]], np.array([0]), "1 labels, but more texts"),
        ([[2]], np.array([0, 1]), "2 labels, but 1 texts"),
        ([[2]], np.array([3]), "labels go from 3 to 3"),
        ([[2]], np.array([-1]), "labels go from -1"),
        ([[2]], np.array([0.5]), "float64"),
        ([[2]], np.array([[0, 1]]), r"\(1, 2\)"),
        ([[2]], np.array([[0, 1, 2]]), r"\(1, 3\)"),
    ],
)
def test_what_cannot_be_fitted_is_told(rows, labels, message):
    model = BowForSequenceClassification(BowConfig(vocab_size=8, num_labels=3))
    with pytest.raises(UserError, match=message):
        fit_bag_of_words(model, rows, labels)


def test_what_cannot_start_from_ratios_is_told():
    with pytest.raises(UserError, match="BowModel"):
        fit_bag_of_words(BowModel(BowConfig(vocab_size=8)), [[2]], np.array([0]))
    counts = torch.ones(2, 8)
    with pytest.raises(ValueError, match="feature_scaling"):
        BowForSequenceClassification(BowConfig(vocab_size=8, feature_scaling="none")).start_from_ratios(
            counts, counts[0]
        )
    with pytest.raises(ValueError, match=r"\(2, 9\)"):
        BowForSequenceClassification(BowConfig(vocab_size=9)).start_from_ratios(counts, counts[0])


def test_without_scaling_only_the_idf_is_fitted(tokenizer):
    config = BowConfig(vocab_size=len(tokenizer), num_labels=3, feature_scaling="none")
    model = BowForSequenceClassification(config)
    fit_bag_of_words(model, rows_of(tokenizer), LABELS)
    assert not model.classifier.words.rows.weight.any()
    assert model.bow.word_idf.weight.max() > 1


def test_dropout_leaves_features_out():
    torch.manual_seed(0)
    config = BowConfig(vocab_size=102, classifier_dropout=0.5, weighting="binary", normalization="none", num_labels=1)
    model = BowForSequenceClassification(config).train()
    nn.init.ones_(model.classifier.words.rows.weight)
    ids = torch.arange(2, 102).repeat(200, 1)
    sums = model(ids).logits.flatten()
    assert 95 < sums.mean() < 105 and sums.std() > 5
    assert torch.equal(model.eval()(ids).logits.flatten(), torch.full((200,), 100.0))


class LargestTensor(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        answer = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(answer) if isinstance(leaf, torch.Tensor)]
        self.elements = max([self.elements, *sizes])
        return answer


@pytest.mark.parametrize("weighting", ["binary", "count", "tfidf", "sublinear-tfidf"])
def test_no_text_is_a_row_as_wide_as_the_vocabulary_in_training(weighting):
    config = BowConfig(vocab_size=5000, num_bigram_buckets=6000, weighting=weighting, classifier_dropout=0.1)
    model = BowForSequenceClassification(config).train()
    ids = torch.randint(1, 5000, (64, 50))
    with LargestTensor() as largest:
        model(ids, labels=torch.arange(64) % 2).loss.backward()
    assert largest.elements == 6000 * 2  # the gradient of the larger table; a batch of vectors would have 64 * 11,000
    with LargestTensor() as largest:
        model.bow(ids)
    assert largest.elements >= 64 * 11_000


# What transformers asks of a model that has no parameters, and of a vocabulary that grows


def test_a_model_without_parameters_knows_where_and_what_it_is(tmp_path):
    model = BowModel(BowConfig(vocab_size=20))
    assert model.num_parameters() == 0
    assert model.device.type == "cpu" and model.dtype == torch.float32
    assert model.to(torch.bfloat16).dtype == torch.bfloat16 and model.to("meta").device.type == "meta"


def test_feature_extraction_gives_the_vector_of_a_text(tokenizer, tmp_path):
    model = BowModel(BowConfig(vocab_size=len(tokenizer), num_bigram_buckets=64))
    fit_bag_of_words(model, rows_of(tokenizer))
    model.save_pretrained(tmp_path)
    model = AutoModel.from_pretrained(tmp_path)
    run = pipeline("feature-extraction", model=model, tokenizer=tokenizer)
    texts = ["w1 w2 w1", "", "w5"]
    for batch_size in (1, 3):
        answers = np.array(run(texts, batch_size=batch_size))
        np.testing.assert_allclose(answers[:, 0], vectors_of(model, tokenizer, texts), atol=1e-6)


def test_new_words_change_no_answer_until_they_are_trained(tokenizer):
    model, inputs = classifier_of(tokenizer), tokenizer(NEW, return_tensors="pt", padding=True)
    size = len(tokenizer)
    before, vectors = model(**inputs).logits, model.bow(**inputs).pooler_output
    bigrams = model.classifier.bigrams.rows.weight.detach().clone()
    model.resize_token_embeddings(size + 4)
    assert model.config.hidden_size == size + 4 + 64
    assert torch.equal(model(**inputs).logits, before)
    resized = model.bow(**inputs).pooler_output
    assert torch.equal(torch.cat([resized[:, :size], resized[:, size + 4 :]], 1), vectors)
    new = torch.full((1, 3), size + 3)
    with torch.no_grad():
        model.classifier.bigrams.rows.weight.zero_()
    assert torch.equal(model(new).logits[0], model.classifier.bias)
    model(new, labels=torch.tensor([1])).loss.backward()
    assert model.classifier.words.rows.weight.grad[size + 3].all()
    with torch.no_grad():
        model.classifier.bigrams.rows.weight.copy_(bigrams)
    model.resize_token_embeddings(size)
    assert torch.equal(model(**inputs).logits, before)


# Abilities


def test_counts_alone_make_a_classifier():
    """Naive Bayes: each label's own words, among words of all, and no step of training."""
    random = np.random.default_rng(0)
    labels = random.integers(3, size=300)
    rows = [
        np.concatenate([random.integers(20, 60, size=6), 2 + 6 * label + random.integers(6, size=2)])
        for label in labels
    ]
    model = BowForSequenceClassification(BowConfig(vocab_size=60, num_labels=3)).eval()
    assert model(torch.tensor(np.stack(rows))).logits.unique().numel() == 1
    fit_bag_of_words(model, rows[:200], labels[:200])
    answers = model(torch.tensor(np.stack(rows[200:]))).logits.argmax(-1).numpy()
    assert (answers == labels[200:]).mean() > 0.95


@pytest.mark.parametrize("num_bigram_buckets", [0, 512])
def test_pairs_of_words_tell_their_order(num_bigram_buckets):
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(4, 30, (200, 6), generator=random)
    labels = torch.arange(200) % 2
    for row, label in enumerate(labels):
        ids[row, 2], ids[row, 3] = (2, 3) if label else (3, 2)
    config = BowConfig(vocab_size=30, num_bigram_buckets=num_bigram_buckets)
    model = BowForSequenceClassification(config)
    fit_bag_of_words(model, ids[:100].numpy(), labels[:100].numpy())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        model(ids[:100], labels=labels[:100]).loss.backward()
        optimizer.step()
    right = (model.eval()(ids[100:]).logits.argmax(-1) == labels[100:]).float().mean()
    assert right == 1 if num_bigram_buckets else right < 0.7
