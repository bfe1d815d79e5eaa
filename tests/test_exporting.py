"""The verb `export`: ONNX gives what PyTorch gives, at sizes other than those it was made with."""

import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer
from wordemb_hf.modeling import BiLSTMConfig, BiLSTMForTokenClassification

import wordemb_hf
from wordemb_hf.errors import UserError
from wordemb_hf.vocabulary import build_tokenizer

from .models import CASES

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

TASKS = ("AutoModel", "AutoModelForSequenceClassification", "AutoModelForTokenClassification")
# An export takes seconds: of a family's smaller variants one task.
CHOSEN = [
    case
    for case in CASES
    if case.auto_class in TASKS and (case.is_fullest or case.auto_class == list(case.family.auto_classes)[-1])
]


def read(case, lengths, side="right"):
    """A batch as a tokenizer gives it: of an encoder–decoder, what its encoder reads."""
    return {name: tensor for name, tensor in case.batch(lengths, side).items() if not name.startswith("decoder_")}


def exported(case, model, folder):
    """A session for a model of the table, through what the verb does with one."""
    from wordemb_hf import exporting

    batches = [read(case, (3, 9, 1), "left"), read(case, (4, 2, 7, 5))]
    answers = [exporting._run(model, batch) for batch in batches]
    exporting._write_model("a model", model, batches, answers, folder / "model.onnx")
    return onnxruntime.InferenceSession(folder / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_every_family_and_task(case, tmp_path):
    from wordemb_hf import exporting

    model = case.model()
    session = exported(case, model, tmp_path)
    for lengths, side in (((1,), "right"), ((23,), "right"), ((1, 1), "right"), ((2, 30, 1, 5, 8, 3, 4), "left")):
        batch = read(case, lengths, side)
        wanted = exporting._run(model, batch)
        given = session.run(list(wanted), {node.name: batch[node.name].numpy() for node in session.get_inputs()})
        for made, right in zip(given, wanted.values(), strict=True):
            assert made.shape == right.shape
            np.testing.assert_allclose(made, right.numpy(), atol=2e-5)
    # Without padding and with it between tokens, which no tokenizer makes.
    batch = read(case, (6, 6))
    batch["attention_mask"] = torch.tensor([[1, 0, 1, 1, 0, 1], [0, 1, 1, 0, 1, 1]])
    wanted = exporting._run(model, batch)
    given = session.run(list(wanted), {node.name: batch[node.name].numpy() for node in session.get_inputs()})
    for made, right in zip(given, wanted.values(), strict=True):
        np.testing.assert_allclose(made, right.numpy(), atol=2e-5)


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    """A CRF whose tags forbid each other much, with a vocabulary, in a folder."""
    folder, rng = tmp_path_factory.mktemp("tagger"), random.Random(0)
    words = ["Ada", "Lovelace", "was", "born", "in", "London", "and", "wrote", "programs"]
    tokenizer = build_tokenizer([" ".join(rng.choices(words, k=9)) for _ in range(30)], min_count=1)
    names = ["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "E-LOC", "S-LOC"]
    torch.manual_seed(0)
    config = BiLSTMConfig(
        vocab_size=len(tokenizer), embedding_size=8, hidden_size=8, tag_decoder="crf", id2label=dict(enumerate(names))
    )
    model = BiLSTMForTokenClassification(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.uniform_(-2, 2)
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return folder / "model"


def test_a_tagger_from_its_folder(tagger, tmp_path, capsys):
    written = wordemb_hf.export(str(tagger), tmp_path / "out")
    assert sorted(path.name for path in written.iterdir()) == [
        "config.json",
        "model.onnx",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert "what onnxruntime and PyTorch give differs by at most" in capsys.readouterr().out
    tokenizer = AutoTokenizer.from_pretrained(written)
    texts = ["Ada Lovelace was born in London", "London", "programs and programs and Ada wrote", "who"]
    batch = tokenizer(texts, padding=True, return_tensors="np")
    session = onnxruntime.InferenceSession(written / "model.onnx")
    tags, logits = session.run(["tags", "logits"], {node.name: batch[node.name] for node in session.get_inputs()})
    model = AutoModelForTokenClassification.from_pretrained(tagger).eval()
    with torch.no_grad():
        right = model(**tokenizer(texts, padding=True, return_tensors="pt"))
    np.testing.assert_array_equal(tags, right.tags.numpy())
    np.testing.assert_array_equal(logits.argmax(2)[tags >= 0], tags[tags >= 0])
    names = [model.config.id2label[tag] for tag in tags[0]]
    assert not any(one == "O" and other.startswith(("I", "E")) for one, other in pairwise(names))


def test_vectors_of_a_tagger(tagger, tmp_path):
    written = wordemb_hf.export(str(tagger), tmp_path / "out", task="embedding")
    session = onnxruntime.InferenceSession(written / "model.onnx")
    assert [node.name for node in session.get_outputs()] == ["last_hidden_state", "pooler_output"]


def test_what_is_refused(tagger, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for how, sentence in (
        ({"model": str(tagger), "output": tmp_path / "full"}, "is not empty"),
        ({"model": str(tagger), "format": "tflite"}, "format is 'tflite', but must be onnx"),
        ({"model": str(tagger), "task": "poetry"}, "task is 'poetry', but must be one of"),
        ({"model": str(tmp_path / "full"), "output": tmp_path / "out"}, "is no model folder"),
        ({"model": str(tagger), "task": "classification", "output": tmp_path / "out"}, "is no trained classifier"),
    ):
        with pytest.raises(UserError, match=sentence):
            wordemb_hf.export(**how)
    assert not (tmp_path / "out").exists()
