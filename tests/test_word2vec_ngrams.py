"""Word vectors made of n-grams: the means they are, and what unseen words get from them, from the text to the verbs."""

import random

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, pipeline
from wordemb_hf.modeling import Word2VecConfig, Word2VecForTokenClassification, Word2VecModel
from wordemb_hf.modeling.hashed_ngrams import known_words, unseen_words
from wordemb_hf.tokenization.ngram_hashing import NgramScheme, hash_ngrams

import wordemb_hf
from wordemb_hf.errors import UserError
from wordemb_hf.new_models import spell_vocabulary
from wordemb_hf.vectors import KeyedVectors
from wordemb_hf.vocabulary import build_tokenizer

BUCKETS, WIDTH = 11, 4
FIELDS = {"vocab_size": 7, "hidden_size": WIDTH, "num_ngram_buckets": BUCKETS, "max_ngrams": 3}
NGRAMS = [[0, 0, 0], [0, 0, 0], [1, 2, 3], [3, 0, 0], [0, 0, 0], [11, 11, 0], [4, 5, 0]]


@pytest.fixture
def model() -> Word2VecModel:
    torch.manual_seed(0)
    model = Word2VecModel(Word2VecConfig(**FIELDS)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_()
    model.set_word_ngrams(torch.tensor(NGRAMS))
    return model


def mean(rows: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(rows).mean(0)


def composed(model: Word2VecModel, word: int, ngrams: tuple[int, ...] = ()) -> torch.Tensor:
    """By fastText's rule: a word that is known is its own row and its n-grams', another its n-grams' alone."""
    table = model.ngram_embeddings.weight
    if any(ngrams):
        return mean([table[ngram] for ngram in ngrams if ngram])
    return mean([model.word_embeddings.weight[word], *(table[ngram] for ngram in NGRAMS[word] if ngram)])


# Vectors


def test_a_known_word_is_the_mean_of_its_rows(model):
    expected = torch.stack([composed(model, word) for word in range(7)])
    torch.testing.assert_close(model.word_vectors(), expected)
    torch.testing.assert_close(
        model(torch.tensor([[6, 2], [5, 5]])).last_hidden_state, expected[torch.tensor([[6, 2], [5, 5]])]
    )
    assert not model.word_vectors().requires_grad


def test_an_unseen_word_is_the_mean_of_its_ngrams_and_without_any_unknown(model):
    ids, ngrams = torch.tensor([[2, 1, 1, 0], [1, 3, 5, 6]]), torch.zeros(2, 4, 5, dtype=torch.int64)
    ngrams[0, 1, :2], ngrams[1, 0] = torch.tensor([7, 9]), torch.tensor([1, 1, 0, 2, 8])
    outputs = model(ids, ngram_ids=ngrams)
    for row in range(2):
        for place in range(4 - (row == 0)):
            expected = composed(model, int(ids[row, place]), tuple(ngrams[row, place].tolist()))
            torch.testing.assert_close(outputs.last_hidden_state[row, place], expected)
    torch.testing.assert_close(outputs.pooler_output[0], outputs.last_hidden_state[0, :3].mean(0))
    torch.testing.assert_close(model(ids).last_hidden_state[0, 1], model.word_embeddings.weight[1])
    plain = Word2VecModel(Word2VecConfig(vocab_size=7, hidden_size=WIDTH))  # which has no use for them
    assert torch.equal(plain(ids, ngram_ids=ngrams).last_hidden_state, plain(ids).last_hidden_state)


def test_gradients_are_those_of_the_mean_and_none_reaches_row_0():
    torch.manual_seed(0)
    table = torch.nn.Embedding(5, WIDTH, padding_idx=0).double()
    words, ids = torch.randn(3, WIDTH, dtype=torch.float64, requires_grad=True), torch.tensor([[1, 4], [3, 0], [0, 0]])

    def loss(weight: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        known = [mean([row, *(weight[g] for g in grams if g)]) for row, grams in zip(words, ids.tolist(), strict=True)]
        unseen = [mean([weight[1], weight[2]]), known[1], known[2]]
        return torch.stack(unseen).square().sum()

    new = torch.tensor([[2, 1], [0, 0], [0, 0]])
    actual = unseen_words(known_words(words, ids, table), new, table).square().sum()
    expected = loss(table.weight, words)
    torch.testing.assert_close(actual, expected)
    grads = [torch.autograd.grad(value, (table.weight, words)) for value in (actual, expected)]
    torch.testing.assert_close(grads[0], grads[1])
    assert not grads[0][0][0].any()


def test_vectors_can_be_given(model):
    wanted = torch.randn(7, WIDTH)
    before = model.ngram_embeddings.weight.clone()
    model.set_word_vectors(wanted)
    torch.testing.assert_close(model.word_vectors(), wanted)
    assert torch.equal(model.ngram_embeddings.weight, before)
    with pytest.raises(ValueError, match=r"vectors has shape \(2, 4\), but must have \(vocab_size, hidden_size\)"):
        model.set_word_vectors(wanted[:2])


@pytest.mark.parametrize(
    ("ngrams", "message"),
    [
        (torch.zeros(7, 2), r"ngram_ids has shape \(7, 2\), but must have \(vocab_size, max_ngrams\), \(7, 3\)"),
        (torch.full((7, 3), 12), "ngram_ids are 12 to 12, but must be 0 to num_ngram_buckets, 11"),
        (torch.full((7, 3), -1), "ngram_ids are -1 to -1, but must be 0 to num_ngram_buckets, 11"),
    ],
)
def test_impossible_ngrams_are_refused(model, ngrams, message):
    with pytest.raises(ValueError, match=message):
        model.set_word_ngrams(ngrams)


def test_new_words_have_no_ngrams_until_they_are_told(model):
    known = model.word_vectors()
    model.resize_token_embeddings(9)
    assert not model.word_ngrams[7:].any()
    torch.testing.assert_close(model.word_vectors()[:7], known)
    assert torch.equal(model.word_vectors()[7:], model.word_embeddings.weight[7:])


def test_a_new_model_has_no_vector_for_no_ngram(tmp_path):
    model = Word2VecModel(Word2VecConfig(**FIELDS))
    assert not model.ngram_embeddings.weight[0].any() and model.ngram_embeddings.weight[1:].all()
    Word2VecModel(Word2VecConfig(vocab_size=7, hidden_size=WIDTH)).save_pretrained(tmp_path)
    later = Word2VecModel.from_pretrained(tmp_path, **FIELDS)
    assert not later.ngram_embeddings.weight[0].any() and later.ngram_embeddings.weight[1:].all()
    assert not later.word_ngrams.any()


def test_a_pipeline_in_batches_sees_unseen_words():
    torch.manual_seed(0)
    scheme = NgramScheme(BUCKETS, max_ngrams=9)
    tokenizer = build_tokenizer(["the cat sat on the mat ."], min_count=1, ngrams=scheme)
    fields = {**FIELDS, **scheme._asdict(), "vocab_size": len(tokenizer), "num_labels": 3}
    model = Word2VecForTokenClassification(Word2VecConfig(**fields)).eval()
    torch.nn.init.normal_(model.word2vec.ngram_embeddings.weight)
    spell_vocabulary(model, tokenizer)
    tag = pipeline("token-classification", model=model, tokenizer=tokenizer)
    texts = ["The cats sat", "dogs", "mats on the cat ."]
    rows = [answer for one in tag(texts) for answer in one]
    batched = [answer for one in tag(texts, batch_size=3) for answer in one]
    assert [row["score"] for row in batched] == pytest.approx([row["score"] for row in rows], abs=1e-5)
    scores = {row["start"]: row["score"] for row in tag("dogs cats")}
    assert scores[0] != pytest.approx(scores[5], abs=1e-3)  # both are <unk>


# From text to the verbs

STEMS = {
    "walk": ["road", "path", "street", "mile"],
    "paint": ["brush", "colour", "canvas", "picture"],
    "cook": ["kitchen", "soup", "pot", "meal"],
}
ENDS = ["", "ing", "ed", "er"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Vectors of a text whose words share their contexts with what is formed from the same stem."""
    place, rng = tmp_path_factory.mktemp("ngrams"), random.Random(0)
    lines = []
    for _ in range(600):
        stem = rng.choice(list(STEMS))
        around = rng.sample(STEMS[stem], 4)
        lines.append(" ".join([*around[:2], stem + rng.choice(ENDS), *around[2:]]))
    (place / "text.txt").write_text("\n".join(lines))
    output = place / "vectors"
    wordemb_hf.pretrain(
        corpus=place / "text.txt",
        output=output,
        min_count=1,
        hidden_size=16,
        window_size=2,
        subsample_threshold=0,
        epochs=4,
        learning_rate=0.1,
        threads=1,
        fields=["num_ngram_buckets=500", "max_ngrams=30"],
    )
    return output


# A form that the text has not, a misspelling, capitals
UNSEEN = {"walkers": "walk", "paintings": "paint", "coooking": "cook", "Walks": "walk"}


def test_an_unseen_word_lies_near_its_kin(folder):
    for word, stem in UNSEEN.items():
        near = [neighbor for neighbor, _ in wordemb_hf.neighbors(str(folder), [word], top=4)[word]]
        assert sum(neighbor.startswith(stem) for neighbor in near) >= 3, (word, near)


def test_every_way_to_the_vectors_is_the_same(folder):
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    vectors = KeyedVectors.from_folder(folder)
    words = ["walking", "street", *UNSEEN]
    embedded = wordemb_hf.embed(str(folder), words)
    with torch.no_grad():
        inside = model(**tokenizer(words, padding=True, return_tensors="pt")).pooler_output.numpy()
    for row, word in enumerate(words):
        assert (word in vectors) == (word not in UNSEEN)
        np.testing.assert_allclose(vectors[word], embedded[row], atol=1e-6)
        np.testing.assert_allclose(inside[row], embedded[row], atol=1e-6)
    every = model.word_vectors().numpy()
    np.testing.assert_allclose(
        vectors.matrix, every[[tokenizer.get_vocab()[word] for word in vectors.words]], atol=1e-6
    )
    # <pad> is zeros, and an unknown word without n-grams is like the rarest word.
    assert not every[0].any()
    np.testing.assert_allclose(every[1], every[-1], atol=1e-6)
    ngrams = model.word_ngrams[tokenizer.get_vocab()["street"]]
    assert tuple(ngrams.tolist()) == hash_ngrams("street", NgramScheme(500, max_ngrams=30))


@pytest.mark.parametrize("length", [2, 5])  # too short for any counts of so many words, and for these
def test_a_tree_that_is_too_high_is_refused(folder, tmp_path, length):
    with pytest.raises(
        UserError, match=f"max_code_length is {length}, but the rarest of 24 words need codes of length"
    ):
        wordemb_hf.pretrain(
            corpus=folder.parent / "text.txt",
            output=tmp_path / "vectors",
            min_count=1,
            fields=["loss=hierarchical_softmax", f"max_code_length={length}"],
        )
    assert not (tmp_path / "vectors").exists()


def test_a_word_without_ngrams_has_no_vector(folder):
    with pytest.raises(UserError, match="the word 'zzz' is not in the vocabulary"):
        _ = KeyedVectors(["a", "b"], np.eye(2, dtype=np.float32))["zzz"]
    with pytest.raises(UserError, match="top is 0"):
        wordemb_hf.neighbors(str(folder), ["walkers"], top=0)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Words and their stems; no word of the test part stands in the others, nor in the text."""
    place, rng = tmp_path_factory.mktemp("labelled"), random.Random(1)
    for part, ends, count in (("train", ENDS[:2], 60), ("dev", ENDS[:2], 12), ("test", ["s", "ings", "ers"], 12)):
        stems = [rng.choice(list(STEMS)) for _ in range(count)]
        rows = "\n".join(f"{stem}\t{stem}{rng.choice(ends)}" for stem in stems)
        (place / f"{part}.tsv").write_text(rows)
    return place


def test_a_classifier_of_them_knows_unseen_words(folder, labelled, tmp_path):
    output = tmp_path / "classifier"
    figures = wordemb_hf.finetune(
        data=labelled, model=str(folder), output=output, family="word2vec", epochs=20, learning_rate=0.1
    )
    assert figures["dev"]["accuracy"] == figures["test"]["accuracy"] == 1.0
    answers = wordemb_hf.predict(str(output), ["cookings", "Paintss"])
    assert [answer["labels"][0]["label"] for answer in answers] == ["cook", "paint"]


@pytest.mark.parametrize(
    ("family", "fields"), [("word2vec", ["num_ngram_buckets=9"]), ("word2vec", []), ("textcnn", ["num_filters=4"])]
)
def test_other_models_start_from_them(folder, labelled, tmp_path, family, fields):
    """From the vectors as they are used, whether or not the model has n-grams itself."""
    output = tmp_path / "classifier"
    wordemb_hf.finetune(
        data=labelled, vectors=folder, output=output, family=family, settings=fields, epochs=1, learning_rate=1e-9
    )
    start, vectors = KeyedVectors.from_folder(output), KeyedVectors.from_folder(folder)
    rows = np.stack([start[word] for word in vectors.words])
    factor = np.linalg.norm(rows) / np.linalg.norm(vectors.matrix)
    np.testing.assert_allclose(rows / factor, vectors.matrix, atol=1e-4)  # all scaled by one factor
    given = AutoTokenizer.from_pretrained(output)("walkers")
    assert ("ngram_ids" in given) == (fields == ["num_ngram_buckets=9"])
