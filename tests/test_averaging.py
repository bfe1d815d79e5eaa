"""Averages of weights against sums over all steps, with rows that wait and without, and in the loop."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import embedding

from wordemb_hf import row_updates
from wordemb_hf.averaging import WeightAverage
from wordemb_hf.errors import UserError
from wordemb_hf.row_updates import RowAdamW
from wordemb_hf.training import TrainingSettings

from .test_row_updates import ROWS, WIDTH, batches, groups, make, rate, step
from .test_training import EXAMPLES, Toy, trained, weights

EMA, TAIL = {"decay": 0.9, "start": 0.0}, {"decay": 0.0, "start": 0.4}


def averages_of(steps, decay, start, total=None):
    """The average after each of these weights; the first are those before a training of `total` steps."""
    found, total = [], total or len(steps) - 1
    for last in range(len(steps)):
        if decay:
            shares = [min(decay, (1 + number) / (10 + number)) for number in range(last)]
            average = steps[0] * np.prod(shares)
            for number, share in enumerate(shares):
                average = average + steps[number + 1] * (1 - share) * np.prod(shares[number + 1 :])
        else:
            counted = [steps[number + 1] for number in range(last) if number / total >= start]
            average = sum(counted) / len(counted) if counted else steps[last]
        found.append(average)
    return found


# --- of weights that all move -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("average", [EMA, TAIL])
def test_the_average_is_that_of_all_steps(average):
    model = nn.Linear(3, 2).double()
    taken = WeightAverage(model, torch.optim.SGD(model.parameters()), **average)
    steps = [model.weight.detach().clone()]
    for number in range(20):
        with taken.over_step(number / 20):
            model.weight.data.add_(torch.randn(2, 3))
        steps.append(model.weight.detach().clone())
        with taken.in_place():
            torch.testing.assert_close(model.weight.detach(), averages_of(steps, **average, total=20)[-1])
        assert torch.equal(model.weight, steps[-1])
    taken.replace()
    torch.testing.assert_close(model.weight.detach(), averages_of(steps, **average)[-1])


def test_the_model_has_its_own_weights_again_when_an_evaluation_fails():
    model = nn.Linear(2, 2)
    average = WeightAverage(model, torch.optim.SGD(model.parameters()), **EMA)
    with average.over_step(0.0):
        model.weight.data.add_(1.0)
    own = model.weight.detach().clone()
    with pytest.raises(RuntimeError), average.in_place():
        assert not torch.equal(model.weight, own)
        raise RuntimeError
    assert torch.equal(model.weight, own)


def test_what_is_no_weight_in_training_stays_what_it_is():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[0].bias.requires_grad_(False)
    average = WeightAverage(model, torch.optim.SGD(model.parameters()), **EMA)
    for number in range(3):
        with average.over_step(number / 3):
            model(torch.randn(5, 2))
            model[0].weight.data.add_(1.0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert "0.bias" not in average.tensors
    with average.in_place():
        changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"0.weight"} and before["1.num_batches_tracked"] == 3


def test_half_of_a_number_is_averaged_as_a_whole_one():
    model = nn.Linear(1, 1).to(torch.bfloat16)
    model.weight.data.fill_(1.0)
    average = WeightAverage(model, torch.optim.SGD(model.parameters()), 0.0, 0.0)
    for number in range(1000):
        with average.over_step(0.5):
            model.weight.data.fill_(1.0 if number % 2 else 2.0)
    assert average.tensors["weight"].item() == pytest.approx(1.5, abs=1e-4)
    average.replace()
    assert model.weight.dtype == torch.bfloat16 and model.weight.item() == 1.5


# --- of rows that wait ------------------------------------------------------------------------------------------------


def both(average, decay, steps, kind=nn.Embedding, pause=(), beside=(), dtype=torch.float32):
    """A table whose rows wait and an exact one, with their averages, after the same steps.

    Args:
        average: which one.
        decay: of the weights.
        steps: how many.
        kind: of table.
        pause: steps without a gradient.
        beside: steps in which the rows are read in a way that cannot be seen coming.
        dtype: of the table.
    """
    found = []
    for wait in (True, False):
        table = make(kind, dtype if wait else torch.float64)
        optimizer = RowAdamW(groups(table, decay), 0.1, [table]) if wait else torch.optim.AdamW(groups(table, decay))
        taken = WeightAverage(table, optimizer, **average)
        with optimizer if wait else nullcontext():
            for number, (ids, gradient) in enumerate(batches(steps)):
                gradient *= 100  # beside which AdamW's epsilon is nothing
                with taken.over_step(number / steps):
                    if number in pause:
                        optimizer.step()
                    elif number in beside:
                        optimizer.param_groups[0]["lr"] = rate(number)
                        (embedding(ids, table.weight) * gradient.to(table.weight.dtype)).sum().backward()
                        optimizer.step()
                        optimizer.zero_grad()
                    else:
                        step(table, optimizer, number, ids, gradient)
        found.append((table.weight.detach().double(), taken.tensors["weight"].double(), taken))
    return found


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
@pytest.mark.parametrize("decay", [0.0, 0.5])
@pytest.mark.parametrize("window", [1000, 7])
@pytest.mark.parametrize("average", [EMA, {"decay": 0.999, "start": 0.0}, TAIL])
def test_the_average_of_rows_that_wait_is_that_of_all_steps(kind, decay, window, average, monkeypatch):
    monkeypatch.setattr(row_updates, "_WINDOW", window)
    (waited, ours, _), (exact, theirs, _) = both(average, decay, 90, kind)
    torch.testing.assert_close(waited, exact, rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-6)
    assert (theirs - exact).abs().max() > 0.01  # else the average would prove nothing


@pytest.mark.parametrize("average", [EMA, TAIL])
@pytest.mark.parametrize("where", [{"pause": (0, 1, 36, 50, 51)}, {"beside": (60,)}, {"pause": (61,), "beside": (60,)}])
def test_steps_without_a_gradient_and_tables_that_stop_waiting(average, where):
    (waited, ours, _), (exact, theirs, _) = both(average, 0.1, 90, **where)
    torch.testing.assert_close(waited, exact, rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-6)


def test_a_row_that_is_not_updated_waits_and_then_takes_all_steps_at_once():
    table = make(dtype=torch.float64)
    optimizer = RowAdamW(groups(table, 0.0), 0.1, [table])
    average = WeightAverage(table, optimizer, 0.9, 0.0)
    average.restore({"weight": torch.zeros(ROWS, WIDTH, dtype=torch.float64)}, 1000)  # the decay has risen
    start = table.weight.detach().clone()
    with optimizer:
        for number in range(25):
            with average.over_step(0.0):
                step(table, optimizer, number, torch.tensor([1]), torch.ones(1, WIDTH, dtype=torch.float64))
            assert not average.tensors["weight"][2:].any()  # not touched in a step
    torch.testing.assert_close(average.tensors["weight"][2:], start[2:] * (1 - 0.9**25))


# --- in the loop ------------------------------------------------------------------------------------------------------


class Seen:
    """An evaluation that gets better and better, and remembers the weights that it saw."""

    def __init__(self):
        self.weights = []

    def __call__(self, model):
        self.weights.append(weights(model))
        return {"eval_loss": 1.0 / len(self.weights)}


@pytest.mark.parametrize(
    ("settings", "average"),
    [({"ema": 0.9}, EMA), ({"average_from": 0.4}, TAIL), ({"average_from": 0.0}, {**TAIL, "start": 0.0})],
)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_average_is_evaluated_and_kept_while_the_weights_go_on(settings, average, optimizer):
    torch.manual_seed(0)
    plain, averaged, start = Seen(), Seen(), weights(Toy())
    options = {"epochs": 10, "optimizer": optimizer, "schedule": "linear", "max_grad_norm": 1.0}
    trained([EXAMPLES], plain, **options)
    model, _ = trained([EXAMPLES], averaged, **options, **settings)
    expected = averages_of([start, *plain.weights], **average)[1:]
    torch.testing.assert_close(torch.stack(averaged.weights), torch.stack(expected).float(), rtol=1e-5, atol=1e-6)
    assert torch.equal(weights(model), averaged.weights[-1])
    last, _ = trained([EXAMPLES], **options, **settings)
    assert torch.equal(weights(last), averaged.weights[-1])  # without an evaluation it is kept as well


@pytest.mark.parametrize("settings", [{"ema": 0.9}, {"average_from": 0.4}])
def test_accumulated_batches_are_one_step_of_the_average(settings):
    many, _ = trained([4] * 6, accumulation=3, epochs=3, **settings)
    one, _ = trained([12, 12], epochs=3, **settings)
    torch.testing.assert_close(weights(many), weights(one), rtol=0, atol=1e-6)


@pytest.mark.parametrize("settings", [{"ema": 0.9}, {"average_from": 0.1}])
def test_weights_that_are_not_yet_trained_stay_bit_by_bit(settings):
    torch.manual_seed(0)
    start = Toy()
    model, _ = trained([4] * 6, unfreezing="head", epochs=3, weight_decay=0.1, **settings)
    plain, _ = trained([4] * 6, unfreezing="head", epochs=3, weight_decay=0.1)
    same = {name for name, weight in model.named_parameters() if torch.equal(weight, start.get_parameter(name))}
    assert same == {name for name, weight in plain.named_parameters() if torch.equal(weight, start.get_parameter(name))}
    assert same < set(dict(start.named_parameters()))


def test_there_is_one_average():
    with pytest.raises(UserError, match=r"^ema is 0\.9 and average_from 0\.5, but only one of them can be kept"):
        TrainingSettings(1, 0.1, ema=0.9, average_from=0.5)
