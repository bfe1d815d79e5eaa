"""Rows of several lengths as padded batches, and what lies on a device."""

import numpy as np
import pytest
import torch

from wordemb_hf.conll import TaggedSentences
from wordemb_hf.corpus import Examples
from wordemb_hf.objectives.pieces import TextPieces
from wordemb_hf.objectives.sentences import WholeTexts
from wordemb_hf.objectives.streams import TextStreams
from wordemb_hf.padding import PaddedRows, ragged, tensor_on
from wordemb_hf.pairs import Pairs
from wordemb_hf.tasks.classification import TextClassification
from wordemb_hf.tasks.seq2seq import TextPairs
from wordemb_hf.tasks.tagging import Tagging
from wordemb_hf.vocabulary import build_tokenizer

IDS = np.arange(5, 205, dtype=np.int32)
TEXTS = ["a b c", "a", "d d b a", "c"]


def test_rows_are_filled_up():
    rows = PaddedRows(ragged([np.array([1, 2]), np.array([], dtype=np.int64), np.array([3])]), -100)
    ids, mask = rows.batch(np.array([0, 1, 2]))
    assert ids.tolist() == [[1, 2], [-100, -100], [3, -100]]
    assert mask.tolist() == [[True, True], [False, False], [True, False]]
    assert rows.batch(np.array([2, 1]))[0].tolist() == [[3], [-100]]


def test_rows_of_nothing_have_a_place():
    ids, mask = PaddedRows(ragged([np.array([], dtype=np.int32)]), 7).batch(np.array([0]))
    assert ids.tolist() == [[7]] and ids.dtype == torch.int64 and not mask.any()


def test_a_file_that_is_only_read_makes_no_noise(tmp_path, recwarn):
    IDS.tofile(tmp_path / "ids")
    mapped = np.memmap(tmp_path / "ids", np.int32, "r")
    assert tensor_on(mapped).tolist() == IDS.tolist()
    assert not recwarn.list


def sources():
    tokenizer = build_tokenizer(TEXTS, min_count=1)
    words = [text.split() for text in TEXTS]
    tags = [["T"] * len(row) for row in words]
    return {
        "classification": TextClassification(
            tokenizer, Examples(TEXTS, ["x", "y", "x", "y"], "here"), {"x": 0, "y": 1}, class_weights="balanced"
        ),
        "tagging": Tagging(tokenizer, TaggedSentences(words, tags, [1, 2, 3, 4], "here"), {"T": 0}),
        "seq2seq": TextPairs(tokenizer, Pairs(TEXTS, TEXTS[::-1], "here")),
        "pieces": TextPieces(IDS, 4, 10, seed=0),
        "pieces to measure": TextPieces(IDS, 4, 10),
        "streams": TextStreams(IDS, 4, 10, seed=0),
        "texts": WholeTexts(IDS, np.array([0, 50, 200]), 4, 30, 0, seed=0),
    }


@pytest.mark.parametrize("name", sources())
def test_batches_of_data_on_a_device_are_made_there(name):
    """On one whose tensors have no numbers: it would refuse to meet the CPU's, or to tell a number to Python."""
    source = sources()[name]
    expected = source.epoch(0)[0]
    assert source.nbytes > 0
    source.keep_on(torch.device("meta"))
    batch = source.epoch(0)[0]
    assert isinstance(source.items(batch), int) or source.items(batch).is_meta
    for key, tensor in batch.items():
        assert tensor.is_meta, key
        assert (tensor.shape, tensor.dtype) == (expected[key].shape, expected[key].dtype), key


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", sources())
def test_batches_on_a_gpu_are_those_of_the_cpu(name):
    here, there = sources()[name], sources()[name]
    there.keep_on(torch.device("cuda"))
    for mine, other in zip(here.epoch(1), there.epoch(1), strict=True):
        for key, tensor in mine.items():
            assert other[key].is_cuda and torch.equal(tensor, other[key].cpu()), key
