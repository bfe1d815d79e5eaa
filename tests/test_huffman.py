"""Huffman's tree against a heap and explicit branches, and hierarchical softmax on it against loops."""

import heapq
from math import exp

import pytest
import torch
from torch.nn.functional import logsigmoid
from wordemb_hf.modeling import Word2VecConfig, Word2VecForPreTraining, Word2VecModel
from wordemb_hf.modeling.hierarchical_softmax import IMPOSSIBLE, hierarchical_softmax_loss, word_log_probabilities
from wordemb_hf.modeling.huffman import huffman_tree

WIDTH = 6
ZIPF = [0, 0, *(1000 // rank for rank in range(1, 40))]
COUNTS = {
    "as word2vec has them": ZIPF,
    "in no order": [3, 0, 9, 1, 1, 0, 30, 2, 2, 2, 7],
    "equal": [0, 0] + [1] * 11,
    "two words": [0, 5, 0, 5],
    "doubling": [1, 1, 2, 4, 8, 16, 32, 64],
    "large": [2**40 + 1, 2**40, 3, 2**41],
}


def tree_of(counts: list[int], length: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    return huffman_tree(torch.tensor(counts), length)


def cost_by_heap(counts: list[int]) -> int:
    """Decisions over the whole text in the best tree there is: what is joined is decided on once more."""
    heap, cost = [count for count in counts if count], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        cost += joined
        heapq.heappush(heap, joined)
    return cost


def explicit(counts: list[int], codes: torch.Tensor, paths: torch.Tensor) -> dict:
    """The tree as `{(): node, (0,): node, ..., (0, 1, 1): -word}`, from the codes and paths; every node is met once."""
    tree: dict = {}
    for word, count in enumerate(counts):
        code = [int(bit) for bit in codes[word] if bit >= 0]
        assert bool(code) == (count > 0)
        assert (
            not codes[word][len(code) :].add(1).any() and not paths[word][len(code) :].any()
        )  # nothing behind the end
        for depth in range(len(code)):
            assert tree.setdefault(tuple(code[:depth]), int(paths[word, depth])) == paths[word, depth]
        if code:
            assert tuple(code) not in tree
            tree[tuple(code)] = -word - 1
    return tree


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_the_tree_is_a_best_one(counts):
    codes, paths = tree_of(counts)
    assert codes.dtype == torch.int8 and paths.dtype == torch.int32 and codes.shape == paths.shape == (len(counts), 40)
    lengths = (codes >= 0).sum(1).tolist()
    assert sum(length * count for length, count in zip(lengths, counts, strict=True)) == cost_by_heap(counts)
    tree = explicit(counts, codes, paths)
    nodes = {way: node for way, node in tree.items() if node >= 0}
    assert sorted(nodes.values()) == list(range(sum(map(bool, counts)) - 1)) and nodes[()] == 0
    for way in nodes:
        assert {(*way, 0), (*way, 1)} <= tree.keys()

    def weight(way: tuple[int, ...]) -> int:
        return weight((*way, 0)) + weight((*way, 1)) if tree[way] >= 0 else counts[-tree[way] - 1]

    by_number = [weight(way) for way in sorted(nodes, key=nodes.__getitem__)]
    assert by_number == sorted(by_number, reverse=True)
    for way in nodes:
        assert weight((*way, 0)) <= weight((*way, 1))


def test_of_equals_words_come_first_and_later_ones_before_earlier():
    codes, _ = tree_of([2, 1, 1], 2)  # the joined 1 + 1 is as heavy as the 2
    assert codes.tolist() == [[0, -1], [1, 1], [1, 0]]
    codes, _ = tree_of([0, 0, *[7] * 8])
    assert (codes >= 0).sum(1).tolist() == [0, 0, *[3] * 8]


def test_a_code_that_has_no_room_is_refused():
    fibonacci = [1, 1]
    while len(fibonacci) < 30:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    assert (tree_of(fibonacci, 29)[0] >= 0).sum(1).max() == 29
    with pytest.raises(ValueError, match="max_code_length is 28, but the rarest of 30 words need codes of length 29"):
        tree_of(fibonacci, 28)


@pytest.mark.parametrize("counts", [[], [0, 0], [0, 0, 4]], ids=["no words", "no counts", "one word"])
def test_without_two_words_there_is_nothing_to_decide(counts):
    codes, paths = huffman_tree(torch.tensor(counts, dtype=torch.int64), 5)
    assert codes.shape == (len(counts), 5) and (codes == -1).all() and not paths.any()


# Probabilities


def descend(tree: dict, nodes: torch.Tensor, context: torch.Tensor, way: tuple[int, ...] = ()) -> dict[int, float]:
    """The logarithm of the probability of each word below a place in the tree."""
    if tree[way] < 0:
        return {-tree[way] - 1: 0.0}
    score, found = nodes[tree[way]] @ context, {}
    for branch, sign in ((0, 1), (1, -1)):
        for word, rest in descend(tree, nodes, context, (*way, branch)).items():
            found[word] = rest + logsigmoid(sign * score).item()
    return found


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_probabilities_are_those_of_the_tree_and_sum_to_one(counts):
    torch.manual_seed(0)
    codes, paths = tree_of(counts)
    nodes, contexts = torch.randn(len(counts), WIDTH), torch.randn(3, WIDTH)
    known = torch.tensor(counts) > 0
    actual = word_log_probabilities(contexts @ nodes.T, codes, paths, known)
    tree = explicit(counts, codes, paths)
    for context, row in zip(contexts, actual, strict=True):
        expected = descend(tree, nodes, context)
        assert sum(exp(value) for value in expected.values()) == pytest.approx(1)
        assert row.exp().sum().item() == pytest.approx(1, abs=1e-5)
        assert {word: row[word].item() for word in expected} == pytest.approx(expected, abs=1e-5)
        assert (row[~known] == IMPOSSIBLE).all()


def test_the_loss_is_what_the_probabilities_say():
    """For each context that exists, of words at different depths; and so are its gradients."""
    torch.manual_seed(0)
    codes, paths = tree_of(ZIPF, 15)
    nodes = torch.randn(len(ZIPF), WIDTH, dtype=torch.float64, requires_grad=True)
    contexts = torch.randn(4, 3, WIDTH, dtype=torch.float64, requires_grad=True)
    words, mask = torch.tensor([2, 40, 17, 3]), torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]]).bool()
    loss = hierarchical_softmax_loss(contexts, mask, nodes[paths[words].long()], codes[words])
    every = word_log_probabilities(contexts.flatten(0, 1) @ nodes.T, codes, paths, torch.tensor(ZIPF) > 0)
    chosen = every.unflatten(0, (4, 3))[torch.arange(4), :, words]  # (4, 3)
    expected = -chosen[mask].mean()
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)
    for one, other in zip(
        torch.autograd.grad(loss, (nodes, contexts)), torch.autograd.grad(expected, (nodes, contexts)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert hierarchical_softmax_loss(contexts, mask & False, nodes[paths[words].long()], codes[words]) == 0


# In the model


def make(counts: list[int] | None = None, **fields) -> Word2VecForPreTraining:
    fields = {"vocab_size": len(ZIPF), "hidden_size": WIDTH, "loss": "hierarchical_softmax", **fields}
    model = Word2VecForPreTraining(Word2VecConfig(**fields))
    if counts is not None:
        model.set_word_counts(torch.tensor(counts))
    return model


def test_counts_make_the_tree():
    model = make([9, 9, *ZIPF[2:]])  # <pad> and <unk> have none whatever is said
    assert model.word_counts.tolist() == ZIPF
    for actual, expected in zip((model.huffman_codes, model.huffman_paths), tree_of(ZIPF), strict=True):
        assert torch.equal(actual, expected)
    assert model.get_output_embeddings() is None and not hasattr(model, "output_embeddings")
    # Before it is trained, a word is as likely as the length of its code says.
    logits = model(torch.tensor([[2, 3]])).logits[0]
    lengths = (model.huffman_codes[2:] >= 0).sum(1)
    torch.testing.assert_close(logits[2:].exp(), 0.5**lengths, rtol=1e-4, atol=0)
    # Until counts are known, all words are alike.
    fresh = make()
    assert torch.equal(fresh.huffman_codes, tree_of([0, 0] + [1] * (len(ZIPF) - 2))[0])


def test_nodes_of_another_tree_begin_anew():
    model = make(ZIPF)
    with torch.no_grad():
        model.node_embeddings.weight.fill_(0.5)
    model.set_word_counts(torch.tensor(ZIPF))
    assert (model.node_embeddings.weight == 0.5).all()
    model.set_word_counts(torch.tensor([0, 0, *reversed(ZIPF[2:])]))
    assert not model.node_embeddings.weight.any()


@pytest.mark.parametrize("loss", ["negative_sampling", "hierarchical_softmax"])
def test_impossible_counts_are_refused(loss):
    model = make(loss=loss)
    with pytest.raises(ValueError, match=r"counts has shape \(3,\), but must have \(vocab_size,\), \(41,\)"):
        model.set_word_counts(torch.ones(3))
    with pytest.raises(ValueError, match="counts holds -1, but must not be negative"):
        model.set_word_counts(torch.full((len(ZIPF),), -1))


def test_new_words_have_no_place_in_the_tree_until_all_are_counted():
    model = make(ZIPF)
    size = len(ZIPF)
    with torch.no_grad():
        model.node_embeddings.weight.uniform_(-1, 1)
    batch = {"input_ids": torch.tensor([[2, 3], [4, 5]])}
    before = model(**batch, labels=torch.tensor([7, 8])).loss
    logits = model(**batch).logits
    model.resize_token_embeddings(size + 2)
    torch.testing.assert_close(model(**batch, labels=torch.tensor([7, 8])).loss, before)
    # A word without a code is nothing to predict, and never predicted.
    torch.testing.assert_close(
        model(**batch, labels=torch.tensor([7, size])).loss,
        model(input_ids=batch["input_ids"][:1], labels=torch.tensor([7])).loss,
    )
    after = model(**batch).logits
    torch.testing.assert_close(after[:, :size], logits)
    assert (after[:, size:] == IMPOSSIBLE).all()
    model.set_word_counts(torch.tensor([*ZIPF, 50, 1]))
    assert model(**batch, labels=torch.tensor([7, size])).loss > 0
    assert torch.equal(model.huffman_codes, tree_of([*ZIPF, 50, 1])[0])


def test_a_smaller_vocabulary_has_a_tree_of_its_own():
    model = make(ZIPF)
    model.resize_token_embeddings(20)
    for actual, expected in zip((model.huffman_codes, model.huffman_paths), tree_of(ZIPF[:20]), strict=True):
        assert torch.equal(actual, expected)
    assert model(torch.tensor([[2, 3]])).logits.exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_word_vectors_trained_with_either_loss_load_as_the_other(tmp_path):
    """What is missing begins anew: a tree from the counts that are there."""
    plain = make(ZIPF, loss="negative_sampling")
    plain.save_pretrained(tmp_path)
    tree = Word2VecForPreTraining.from_pretrained(tmp_path, loss="hierarchical_softmax")
    assert torch.equal(tree.huffman_codes, tree_of(ZIPF)[0]) and not tree.node_embeddings.weight.any()
    assert torch.equal(tree.get_input_embeddings().weight, plain.get_input_embeddings().weight)
    tree.save_pretrained(tmp_path / "tree")
    _, report = Word2VecModel.from_pretrained(tmp_path / "tree", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]


def test_a_config_from_before_has_negative_sampling():
    fields = {name: value for name, value in Word2VecConfig().to_dict().items() if name not in ("loss", "max_ngrams")}
    assert Word2VecConfig.from_dict(fields).loss == "negative_sampling"
