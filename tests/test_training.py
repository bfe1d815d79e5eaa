"""The training loop against hand-computed numbers, and batches that lose nothing."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from wordemb_hf.batching import LazyBatches, by_length, shuffled_buckets
from wordemb_hf.errors import UserError
from wordemb_hf.model_outputs import outputs_of
from wordemb_hf.optimization import make_optimizer, schedule
from wordemb_hf.training import TrainingSettings, make_accelerator, train

EXAMPLES = 24


class Toy(nn.Module):
    """Three classes from the mean of word vectors."""

    def __init__(self):
        super().__init__()
        self.embeddings = nn.Embedding(20, 4)
        self.norm = nn.LayerNorm(4)
        self.classifier = nn.Linear(4, 3)

    def forward(self, input_ids, labels=None):
        logits = self.classifier(self.norm(self.embeddings(input_ids).mean(1)))
        return SimpleNamespace(logits=logits, loss=None if labels is None else cross_entropy(logits, labels))


class Batches:
    """Examples in batches of the given sizes, the same in every epoch."""

    def __init__(self, *sizes):
        rng = np.random.default_rng(0)
        self.ids = torch.from_numpy(rng.integers(0, 20, (EXAMPLES, 5)))
        self.labels = self.ids[:, 0] % 3
        self.indices = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])

    def epoch(self, number):
        return LazyBatches(self.indices, lambda rows: {"input_ids": self.ids[rows], "labels": self.labels[rows]})

    def items(self, batch):
        return len(batch["labels"])


@pytest.fixture
def toy():
    torch.manual_seed(0)
    return Toy()


def weights(model):
    return torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])


def trained(sizes, evaluate=None, metric="eval_loss", model=None, **settings):
    """A toy after training, and what the training left."""
    if model is None:
        torch.manual_seed(0)
        model = Toy()
    settings = TrainingSettings(**{"epochs": 1, "learning_rate": 0.1, "schedule": "constant", **settings})
    return model, train(model, Batches(*sizes), settings, make_accelerator(settings), evaluate, metric)


# --- a step of the optimizer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("clip", [0.0, 0.05])
@pytest.mark.parametrize(
    ("small", "large", "accumulation"),
    [([4] * 6, [12, 12], 3), ([3, 7, 2, 1, 6, 5], [12, 12], 3), ([3, 7, 2, 9, 3], [10, 11, 3], 2)],
)
def test_accumulated_batches_are_one_large_batch(optimizer, clip, small, large, accumulation):
    options = {"optimizer": optimizer, "max_grad_norm": clip, "epochs": 3, "weight_decay": 0.01}
    many, _ = trained(small, accumulation=accumulation, **options)
    one, _ = trained(large, **options)
    torch.testing.assert_close(weights(many), weights(one), rtol=0, atol=1e-6)


def test_gradients_are_clipped_to_their_norm(toy):
    start = weights(toy)
    gradient = start - weights(trained([EXAMPLES], optimizer="sgd", learning_rate=1.0)[0])
    norm = gradient.norm()
    assert norm > 0.1
    clipped = start - weights(trained([EXAMPLES], optimizer="sgd", learning_rate=1.0, max_grad_norm=0.1)[0])
    torch.testing.assert_close(clipped, gradient * 0.1 / norm, rtol=1e-4, atol=1e-6)
    spared = start - weights(trained([EXAMPLES], optimizer="sgd", learning_rate=1.0, max_grad_norm=2 * float(norm))[0])
    torch.testing.assert_close(spared, gradient)


def test_a_summed_loss_steps_once_for_each_prediction(toy):
    start = weights(toy)
    mean = weights(trained([EXAMPLES], optimizer="sgd")[0]) - start
    summed = weights(trained([EXAMPLES], optimizer="sgd", summed_loss=True)[0]) - start
    torch.testing.assert_close(summed, mean * EXAMPLES, rtol=1e-4, atol=1e-6)


def test_weight_decay_spares_embeddings_norms_and_biases(toy):
    before = {name: parameter.detach().clone() for name, parameter in toy.named_parameters()}
    optimizer = make_optimizer(toy, "adamw", learning_rate=0.1, weight_decay=0.5)
    for parameter in toy.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in toy.named_parameters():
        expected = before[name] * 0.95 if name == "classifier.weight" else before[name]
        torch.testing.assert_close(parameter.detach(), expected, msg=name)


def test_what_is_frozen_is_not_in_the_optimizer(toy):
    toy.embeddings.weight.requires_grad_(False)
    groups = make_optimizer(toy, "sgd", 0.1, 0.0).param_groups
    assert sum(len(group["params"]) for group in groups) == len(list(toy.parameters())) - 1


@pytest.mark.parametrize(
    ("name", "warmup", "floor", "progress", "factor"),
    [
        ("linear", 0.0, 0.0, 0.0, 1.0),
        ("linear", 0.0, 0.0, 0.25, 0.75),
        ("linear", 0.0, 0.0, 1.0, 0.0),
        ("linear", 0.2, 0.0, 0.0, 0.0),
        ("linear", 0.2, 0.0, 0.05, 0.25),
        ("linear", 0.2, 0.0, 0.2, 1.0),
        ("linear", 0.2, 0.0, 0.6, 0.5),
        ("linear", 0.2, 0.1, 0.0, 0.1),
        ("linear", 0.0, 0.1, 0.95, 0.1),
        ("linear", 0.0, 1e-4, 1.0, 1e-4),
        ("cosine", 0.0, 0.0, 0.0, 1.0),
        ("cosine", 0.0, 0.0, 0.25, (1 + math.sqrt(0.5)) / 2),
        ("cosine", 0.5, 0.0, 0.75, 0.5),
        ("cosine", 0.0, 0.2, 1.0, 0.2),
        ("constant", 0.0, 0.0, 1.0, 1.0),
        ("constant", 0.5, 0.0, 0.25, 0.5),
        ("slanted", 0.1, 0.0, 0.0, 1 / 32),
        ("slanted", 0.1, 0.0, 0.05, 33 / 64),
        ("slanted", 0.1, 0.0, 0.1, 1.0),
        ("slanted", 0.1, 0.0, 0.55, 33 / 64),
        ("slanted", 0.1, 0.0, 1.0, 1 / 32),
    ],
)
def test_schedule(name, warmup, floor, progress, factor):
    assert schedule(name, warmup, floor, progress) == pytest.approx(factor)


def test_the_rate_follows_the_schedule_over_the_whole_training():
    _, result = trained([6] * 4, epochs=2, schedule="linear", warmup=0.25, learning_rate=0.8, logging_steps=1)
    rates = [0.0, 0.4, 0.8, 0.8 * 5 / 6, 0.8 * 4 / 6, 0.8 * 3 / 6, 0.8 * 2 / 6, 0.8 / 6]
    assert [row["learning_rate"] for row in result.history] == pytest.approx(rates)
    assert [row["epoch"] for row in result.history] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]


# --- what is logged, kept and refused ---------------------------------------------------------------------------------


def test_the_loss_that_is_shown_is_a_mean_over_predictions(toy):
    source = Batches(1, 13, 2, 8)
    batch = source.epoch(0)
    losses = [toy(**batch[number]).loss.item() for number in range(4)]
    _, result = trained([1, 13, 2, 8], optimizer="sgd", learning_rate=1e-12, logging_steps=2)
    expected = [(losses[0] + 13 * losses[1]) / 14, (2 * losses[2] + 8 * losses[3]) / 10]
    assert [row["loss"] for row in result.history] == pytest.approx(expected, rel=1e-5)
    _, result = trained([1, 13, 2, 8], optimizer="sgd", learning_rate=1e-12, accumulation=2, logging_steps=99)
    assert [row["loss"] for row in result.history] == pytest.approx(
        [toy(source.ids, source.labels).loss.item()], rel=1e-5
    )


class Scripted:
    """An evaluation whose figures are known beforehand; remembers the weights that it saw."""

    def __init__(self, metric, figures):
        self.metric, self.figures, self.seen = metric, figures, []

    def __call__(self, model):
        self.seen.append(weights(model))
        return {self.metric: self.figures[len(self.seen) - 1]}


@pytest.mark.parametrize(
    ("metric", "figures", "best"),
    [
        ("eval_accuracy", [0.5, 0.9, 0.7, 0.9], 1),
        ("eval_loss", [0.5, 0.9, 0.2, 0.3], 2),
        ("eval_accuracy", [0.5, 0.5, 0.5, 0.5], 0),
        ("eval_accuracy", [0.0, 0.1, 0.2, 0.3], 3),
        ("eval_f1", [0.0, 0.0, 0.0, 0.0], 3),
        ("eval_loss", [0.0, 0.0, 0.0, 0.0], 0),
    ],
)
def test_the_model_ends_with_the_weights_of_the_best_evaluation(metric, figures, best):
    evaluate = Scripted(metric, figures)
    model, result = trained([12, 12], evaluate, metric, epochs=4)
    assert len(evaluate.seen) == 4
    assert not torch.equal(evaluate.seen[0], evaluate.seen[3])
    assert torch.equal(weights(model), evaluate.seen[best])
    assert result.best == {"epoch": best + 1.0, "step": 2 * (best + 1), metric: figures[best]}


def test_without_an_evaluation_the_last_weights_stay(toy):
    model, result = trained([12, 12], epochs=0)
    assert torch.equal(weights(model), weights(toy))
    assert (result.best, result.history) == ({}, [])


@pytest.mark.parametrize(("patience", "epochs"), [(0, 6), (1, 3), (2, 4), (3, 6)])
def test_training_stops_when_it_gets_no_better(patience, epochs):
    evaluate = Scripted("eval_accuracy", [0.5, 0.6, 0.6, 0.4, 0.7, 0.1])
    trained([EXAMPLES], evaluate, "eval_accuracy", epochs=6, patience=patience)
    assert len(evaluate.seen) == epochs


def test_a_loss_that_is_no_number_ends_the_training(toy):
    class Bad(Toy):
        calls = 0

        def forward(self, **batch):
            output = super().forward(**batch)
            self.calls += 1
            output.loss = output.loss * (float("nan") if self.calls >= 3 else 1.0)
            return output

    with pytest.raises(UserError, match=r"^the loss is nan at step 3: try a lower --learning-rate"):
        trained([4] * 6, model=Bad(), logging_steps=1)
    with pytest.raises(UserError, match="the loss is nan at step 3"):  # also where it is found later
        trained([4] * 6, model=Bad(), logging_steps=2)


def test_a_score_of_zero_does_not_stop_the_training():
    evaluate = Scripted("eval_f1", [0.0, 0.0, 0.0, 0.2, 0.1, 0.1, 0.1])
    trained([EXAMPLES], evaluate, "eval_f1", epochs=7, patience=2)
    assert len(evaluate.seen) == 6


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", -1),
        ("accumulation", 0),
        ("patience", -1),
        ("logging_steps", 0),
        ("learning_rate", 0.0),
        ("learning_rate", -1.0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("weight_decay", -0.1),
        ("max_grad_norm", math.nan),
        ("ema", 1.0),
        ("ema", -0.1),
        ("average_from", 1.1),
        ("average_from", math.nan),
        ("warmup", 1.0),
        ("warmup", -0.1),
        ("seed", -1),
        ("seed", 2**32),
    ],
)
def test_impossible_settings(name, value):
    with pytest.raises(UserError, match=rf"^{name} is {value}, but must "):
        TrainingSettings(**{"epochs": 1, "learning_rate": 0.1, name: value})


def test_bf16_trains_and_the_next_training_may_have_another_precision():
    _, result = trained([12, 12], epochs=30, mixed_precision="bf16", learning_rate=0.05)
    assert result.history[-1]["loss"] < result.history[0]["loss"] / 2
    assert make_accelerator().mixed_precision == "no"
    model, _ = trained([12, 12], mixed_precision="bf16")
    other, _ = trained([12, 12], mixed_precision="no")
    assert weights(model).dtype == torch.float32
    assert not torch.equal(weights(model), weights(other))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has fp16")
def test_a_precision_that_is_not_there():
    with pytest.raises(UserError, match="mixed_precision is 'fp16', which a CPU does not have: take bf16 or no"):
        make_accelerator(TrainingSettings(1, 0.1, mixed_precision="fp16"))


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[24], [5, 7, 12], [1] * 24])
def test_outputs_come_in_the_order_of_the_examples(toy, sizes):
    source = Batches(*sizes)
    rng = np.random.default_rng(1)
    source.indices = np.split(rng.permutation(EXAMPLES), np.cumsum(sizes)[:-1])
    toy.train()
    rows, loss = outputs_of(toy, source.epoch(0), make_accelerator(), lambda output: output.logits)
    assert toy.training
    with torch.no_grad():
        whole = toy(source.ids, source.labels)
    np.testing.assert_allclose(rows, whole.logits.numpy(), rtol=1e-5, atol=1e-6)
    assert loss == pytest.approx(float(whole.loss), rel=1e-5)


def padding(lengths, batches):
    """The share of positions that hold no token."""
    return 1 - sum(lengths[batch].sum() for batch in batches) / sum(
        lengths[batch].max() * len(batch) for batch in batches
    )


@pytest.fixture(scope="module")
def lengths():
    return np.random.default_rng(0).integers(1, 60, 5001)


def test_an_epoch_holds_every_example_once_with_little_padding(lengths):
    batches = shuffled_buckets(lengths, 32, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(5001))
    assert {len(batch) for batch in batches} <= {32, *(len(batch) for batch in batches if len(batch) < 32)}
    assert sum(len(batch) < 32 for batch in batches) == 1
    assert padding(lengths, batches) < 0.1
    assert padding(lengths, np.array_split(np.random.default_rng(0).permutation(5001), 157)) > 0.4


def test_the_order_depends_on_seed_and_epoch_alone(lengths):
    def epoch(*seed):
        return [batch.tolist() for batch in shuffled_buckets(lengths, 32, np.random.default_rng(seed))]

    assert epoch(0, 0) == epoch(0, 0)
    assert epoch(0, 0) != epoch(0, 1) != epoch(1, 0)
    together = {frozenset(batch) for batch in epoch(0, 0)} & {frozenset(batch) for batch in epoch(0, 1)}
    assert len(together) < 5  # other examples meet, not only in another order
    means = [lengths[batch].mean() for batch in epoch(0, 0)]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3  # long and short batches alternate


def test_evaluation_takes_the_longest_first(lengths):
    batches = by_length(lengths, 256)
    assert sorted(np.concatenate(batches)) == list(range(5001))
    ordered = lengths[np.concatenate(batches)]
    assert (np.diff(ordered) <= 0).all()
    assert [len(batch) for batch in batches] == [256] * 19 + [137]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_few_examples(count):
    lengths = np.full(count, 3)
    for batches in (by_length(lengths, 4), shuffled_buckets(lengths, 4, np.random.default_rng(0))):
        assert sorted(index for batch in batches for index in batch.tolist()) == list(range(count))
