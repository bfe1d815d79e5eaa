"""The contracts on what a model is for: Trainer, pipelines, and learning, for every class of every family."""

import gc
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Trainer, TrainingArguments, pipeline

from wordemb_hf import modeling
from wordemb_hf.objectives.windows import ContextWindows, WordWindows
from wordemb_hf.token_ids import encode_corpus
from wordemb_hf.training import TrainingSettings, train
from wordemb_hf.vocabulary import build_tokenizer

from .contracts import CLASSIFIERS, PIPELINES, TAGGERS, TRAINED, close, of
from .models import CASES, LABELS, VOCABULARY, Case, each

# Trainer and pipelines


@pytest.fixture(scope="module", autouse=True)
def nothing_imported_is_garbage():
    """Trainer collects garbage after each training: half a second over all that transformers has imported."""
    gc.freeze()
    yield
    gc.unfreeze()


def by_trainer(case: Case, folder: Path, **arguments) -> tuple[PreTrainedModel, dict[str, float]]:
    batch = case.batch((4, 4, 4, 4), labels=True)
    rows = [{name: tensor[row] for name, tensor in batch.items()} for row in range(4)]
    arguments = TrainingArguments(folder, max_steps=1, report_to="none", use_cpu=True, disable_tqdm=True, **arguments)
    trainer = Trainer(model=case.model(), args=arguments, train_dataset=rows, eval_dataset=rows)
    result = trainer.train()
    assert result.global_step == 1
    return trainer.model, {"train_loss": result.training_loss, **trainer.evaluate()}


@each(TRAINED)
def test_trains_under_trainer(case, tmp_path):
    plain = {"learning_rate": 0.1, "optim": "sgd", "max_grad_norm": 0.0}  # Adam and clipping would hide a wrong scale
    whole, figures = by_trainer(case, tmp_path, per_device_train_batch_size=4, **plain)
    halves, accumulated = by_trainer(
        case, tmp_path, per_device_train_batch_size=2, gradient_accumulation_steps=2, **plain
    )
    for name in ("train_loss", "eval_loss"):
        assert np.isfinite(figures[name]) and accumulated[name] == pytest.approx(figures[name], rel=1e-5)
    start = case.model().state_dict()
    assert not all(torch.equal(weight, start[name]) for name, weight in whole.state_dict().items())
    close(halves.state_dict(), whole.state_dict())


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(["the cat sat on the mat , the dog ate it all ."], min_count=1)


@each(PIPELINES)
def test_works_in_its_pipeline(case, tokenizer):
    texts = ["The cat  ate!", "", "on the mat", "dog"]
    model = case.model(vocab_size=VOCABULARY)
    run = pipeline(case.task.pipeline, model=model, tokenizer=tokenizer)
    answers = run(texts)
    assert len(answers) == len(texts)
    if case.task.pipeline == "token-classification":
        assert [[(row["start"], row["end"]) for row in answer] for answer in answers] == [
            [(0, 3), (4, 7), (9, 12), (12, 13)],
            [],
            [(0, 2), (3, 6), (7, 10)],
            [(0, 3)],
        ]
        # transformers itself cannot put an empty text into a batch here: it has no offsets to pad.
        texts = [text for text in texts if text]
        answers = [answer for answer in answers if answer]
    batched = run(texts, batch_size=len(texts))
    for text, one, two in zip(texts, answers, batched, strict=True):
        if case.task.pipeline == "feature-extraction":
            tokens = len(tokenizer.tokenize(text))
            assert len(one[0]) == tokens
            close(torch.tensor(two[0][:tokens]), torch.tensor(one[0]))  # transformers leaves the batch's padding in
        else:
            one, two = (answer if isinstance(answer, list) else [answer] for answer in (one, two))
            assert two == [row | {"score": pytest.approx(row["score"], abs=1e-5)} for row in one]


@each([case for case in CASES if case.task.pipeline == "fill-mask"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_fills_in_what_is_masked(case, batch_size):
    texts = ["the cat sat on the mat , the dog ate it all ."]
    tokenizer = build_tokenizer(texts, min_count=1, special_tokens=["<mask>"])
    model = case.model(vocab_size=VOCABULARY)
    run = pipeline("fill-mask", model=model, tokenizer=tokenizer, targets=["cat", "dog", "mat"])
    asked = ["the <mask> sat", "<mask>", "it ate the <mask> on the mat ."]
    answers = run(asked, batch_size=batch_size)
    for text, answer in zip(asked, answers, strict=True):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        place = (ids[0] == tokenizer.mask_token_id).nonzero().item()
        with torch.no_grad():
            expected = model(ids).logits[0, place].softmax(-1)
        assert {row["token_str"] for row in answer} == {"cat", "dog", "mat"}
        for row in answer:
            assert row["score"] == pytest.approx(expected[row["token"]].item(), abs=1e-5)


# Abilities


@each([case for case in of("AutoModelForMaskedLM") if not case.family.sees_masks])
def test_a_cloze_model_never_sees_the_word_itself(case):
    """What it says of a place does not depend on what stands there, and does on what stands around."""
    model, batch = case.model(), case.batch()
    logits = case.outputs(model, **batch)["logits"]
    for place in range(5):
        other = {name: tensor.clone() for name, tensor in batch.items()}
        other["input_ids"][0, place] = 3 if batch["input_ids"][0, place] != 3 else 4
        if "character_ids" in other:
            other["character_ids"][0, place] += 1
        changed = case.outputs(model, **other)["logits"][0, :5]
        same_rows = [torch.equal(changed[row], logits[0, row]) for row in range(5)]
        assert same_rows == [row == place for row in range(5)]


@each(of("AutoModelForMaskedLM"))
def test_a_cloze_model_learns_from_both_sides(case):
    """The word in the middle is what its two neighbours say together."""
    torch.manual_seed(0)
    wide = {"embedding_size": 48, "hidden_size": 48, "num_hidden_layers": 1}
    model = case.model_class(case.config(**wide)).train()
    case.family.prepare(model)
    texts = torch.tensor([[6 + left, 2 + left + 2 * right, 8 + right] for left in (0, 1) for right in (0, 1)])
    labels = torch.full_like(texts, -100)
    labels[:, 1] = texts[:, 1]
    if case.family.sees_masks:
        texts = texts.clone()
        texts[:, 1] = VOCABULARY - 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.002 if case.family.attends else 0.01)
    for _ in range(200):
        optimizer.zero_grad()
        model(texts, labels=labels).loss.backward()
        optimizer.step()
    assert torch.equal(model.eval()(texts).logits.argmax(-1)[:, 1], labels[:, 1])


def fit(case: Case, model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The answers that a model gives after it has seen one batch many times; attention learns in small steps."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=0.005 if case.family.attends else 0.03)
    for _ in range(400 if case.family.attends else 150):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    with torch.no_grad():
        return model.eval()(**batch).logits.argmax(-1)


@pytest.fixture
def texts() -> torch.Tensor:
    """Random words, `(64, 6)`, with the words 2 and 3 side by side somewhere, in one order or the other."""
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(4, VOCABULARY, (64, 6), generator=random)
    for row, place in enumerate(torch.randint(0, 5, (64,), generator=random)):
        ids[row, place], ids[row, place + 1] = (2, 3) if row % 2 else (3, 2)
    return ids


@each(CLASSIFIERS)
def test_learns_to_classify(case, texts):
    """By the order of two words, or, where order is not seen, by which of them is there."""
    labels = (torch.arange(64) % 2).long()
    if not case.family.sees_context:
        texts = torch.where((texts == 3 - labels.unsqueeze(1)), 4, texts)
    model = case.model(num_labels=2)
    assert torch.equal(fit(case, model, {"input_ids": texts, "labels": labels}), labels)


@each(TAGGERS)
def test_learns_to_tag(case, texts):
    """By the word before, or, where neighbours are not seen, by the word itself."""
    texts = texts.remainder(6) + 2
    labels = texts % LABELS
    if case.family.sees_context:
        labels = labels.roll(1, dims=1)
        labels[:, 0] = -100
    answers = fit(case, case.model(), {"input_ids": texts, "labels": labels})
    assert torch.equal(answers[labels != -100], labels[labels != -100])


@pytest.mark.parametrize("loss", ["negative_sampling", "hierarchical_softmax"])
@pytest.mark.parametrize("algorithm", ["skipgram", "cbow"])
def test_word2vec_finds_planted_neighbours(algorithm, loss):
    """Words that share their contexts and never meet, `king` and `queen`, end up side by side."""
    rng = np.random.default_rng(0)
    documents = []
    for _ in range(1500):
        topic, twin = rng.integers(6), rng.integers(2)
        around = [f"around{topic}{number}" for number in rng.permutation(5)]
        documents.append(" ".join([*around[:2], f"planted{topic}{'ab'[twin]}", *around[2:4]]))
    tokenizer = build_tokenizer(documents, min_count=1)
    ids = encode_corpus(tokenizer, documents)
    counts = ids.counts(len(tokenizer))

    torch.manual_seed(0)
    config = modeling.Word2VecConfig(vocab_size=len(tokenizer), hidden_size=16, algorithm=algorithm, loss=loss)
    model = modeling.Word2VecForPreTraining(config)
    model.set_word_counts(torch.from_numpy(counts))
    objective = ContextWindows if algorithm == "cbow" else WordWindows
    windows = objective(ids.ids, ids.offsets, counts, window_size=3, subsample_threshold=0.0, batch_size=64, seed=0)
    settings = TrainingSettings(epochs=6, learning_rate=0.1, optimizer="sgd", summed_loss=True)
    losses = [row["loss"] for row in train(model, windows, settings, Accelerator(cpu=True)).history]
    assert losses[-1] < 0.75 * losses[0]

    vectors = nn.functional.normalize(model.get_input_embeddings().weight.detach(), dim=1)
    planted = [f"planted{topic}{twin}" for topic in range(6) for twin in "ab"]
    rows = vectors[tokenizer.convert_tokens_to_ids(planted)]
    nearest = (rows @ rows.T).fill_diagonal_(-1).argmax(1)
    assert [planted[row] for row in nearest] == [word[:-1] + "ba"[word[-1] == "b"] for word in planted]
