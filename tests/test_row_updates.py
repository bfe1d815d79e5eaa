"""Rows that wait until they are read, against AdamW that leaves none waiting."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import cross_entropy, embedding
from wordemb_hf.modeling import RNNConfig, RNNForCausalLM

from wordemb_hf import row_updates
from wordemb_hf.batching import LazyBatches
from wordemb_hf.checkpoints import Checkpoints, optimizer_tensors, restore_optimizer
from wordemb_hf.optimization import make_optimizer
from wordemb_hf.row_updates import LARGE, RowAdamW, large_tables
from wordemb_hf.steps import clip_gradients
from wordemb_hf.training import TrainingSettings, make_accelerator, train

from .contracts import CLASSIFIERS, TAGGERS
from .models import each

ROWS, WIDTH = 40, 6


def make(kind=nn.Embedding, dtype=torch.float32):
    torch.manual_seed(0)
    return kind(ROWS, WIDTH, **({"mode": "sum"} if kind is nn.EmbeddingBag else {})).to(dtype)


def batches(steps, reads=7, seed=0):
    """For each step the ids that are read, some of them twice, and the gradient that each gets, of all sizes."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-5, 1, (ROWS, 1))
    for _ in range(steps):
        ids = np.minimum(rng.geometric(0.08, reads), ROWS - 1)  # a few rows often, many rarely, row 0 never
        yield torch.from_numpy(ids), torch.from_numpy(rng.standard_normal((reads, WIDTH)) * sizes[ids])


def rate(step):
    return 0.02 * (1 - step / 100) * (0.1 if step % 7 == 0 else 1.0)


def step(table, optimizer, number, ids, gradient):
    """One step along a gradient, and the rows that it read."""
    optimizer.param_groups[0]["lr"] = rate(number)
    read = table(ids.unsqueeze(1)) if isinstance(table, nn.EmbeddingBag) else table(ids)
    (read * gradient.to(read.dtype)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    return read.detach()


def groups(table, decay):
    return [{"params": list(table.parameters()), "weight_decay": decay}]


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
@pytest.mark.parametrize("decay", [0.0, 0.5])
@pytest.mark.parametrize("window", [1000, 7])
def test_what_is_read_is_what_adamw_has_there(kind, decay, window, monkeypatch):
    monkeypatch.setattr(row_updates, "_WINDOW", window)
    exact, table = make(kind, torch.float64), make(kind)
    dense = torch.optim.AdamW(groups(exact, decay))
    with RowAdamW(groups(table, decay), 0.1, [table]) as waiting:
        for number, (ids, gradient) in enumerate(batches(90)):
            expected = step(exact, dense, number, ids, gradient)
            torch.testing.assert_close(
                step(table, waiting, number, ids, gradient).double(), expected, rtol=1e-5, atol=2e-6
            )
    torch.testing.assert_close(table.weight.double(), exact.weight, rtol=1e-5, atol=2e-6)
    for name in ("exp_avg", "exp_avg_sq"):
        ours, theirs = waiting.state[table.weight][name], dense.state[exact.weight][name]
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-12)


def test_what_waits_goes_far():
    """Else the test above would pass for an optimizer that forgets what waits."""
    exact, table = make(dtype=torch.float64), make()
    dense, lazy = torch.optim.AdamW(groups(exact, 0.0)), torch.optim.SparseAdam(table.parameters())
    table.sparse = True
    for number, (ids, gradient) in enumerate(batches(90)):
        step(exact, dense, number, ids, gradient)
        step(table, lazy, number, ids, gradient)
    assert (table.weight - exact.weight).abs().max() > 0.05


def test_rows_of_every_batch_go_bit_by_bit_as_in_adamw():
    one, other = make(), make()
    dense = torch.optim.AdamW(groups(one, 0.1), fused=True)
    generator = torch.Generator().manual_seed(0)
    with RowAdamW(groups(other, 0.1), 0.1, [other]) as waiting:
        for number in range(30):
            gradient = torch.randn(ROWS, WIDTH, generator=generator)
            step(one, dense, number, torch.arange(ROWS), gradient)
            step(other, waiting, number, torch.arange(ROWS), gradient)
            assert torch.equal(one.weight, other.weight)


def test_a_row_without_a_gradient_stays_as_it_is_until_it_is_read():
    table = make()
    seen = set()
    with RowAdamW(groups(table, 0.0), 0.1, [table]) as waiting:
        for number, (ids, gradient) in enumerate(batches(30)):
            before = table.weight.detach().clone()
            step(table, waiting, number, ids, gradient)
            others = sorted(set(range(ROWS)) - set(ids.tolist()))
            assert torch.equal(table.weight[others], before[others])
            seen |= set(ids.tolist())
        before = table.weight.detach().clone()
    never = sorted(set(range(ROWS)) - seen)
    assert never and torch.equal(table.weight[never], before[never])
    moved = (table.weight != before).any(1)
    assert moved[sorted(seen - set(ids.tolist()))].all()


def test_small_gradients_are_off_by_no_more_than_epsilon_allows():
    exact, table = make(dtype=torch.float64), make()
    dense = torch.optim.AdamW(groups(exact, 0.0))
    start = exact.weight.detach().clone()
    with RowAdamW(groups(table, 0.0), 0.1, [table]) as waiting:
        for number, (ids, gradient) in enumerate(batches(90)):
            for one, optimizer in ((exact, dense), (table, waiting)):
                step(one, optimizer, number, ids, gradient * 1e-8)
    moved = (exact.weight - start).abs().amax(1)
    assert ((table.weight - exact.weight).abs().amax(1) <= 0.1 * moved + 1e-6).all()


def test_gradients_of_rows_are_clipped_by_the_norm_of_their_sums():
    accelerator = Accelerator(cpu=True)
    ids, gradient = torch.tensor([3, 3, 5, 3]), torch.tensor([[3.0], [1.0], [3.0], [0.0]]).expand(4, WIDTH)
    clipped = []
    for sparse in (False, True):
        model = nn.Sequential(make(), nn.Linear(WIDTH, 2))
        model[0].sparse = sparse
        (model[0](ids) * gradient).sum().backward()
        model[1](torch.ones(WIDTH)).sum().backward()
        clip_gradients(accelerator, model, 2.0)
        clipped.append([weight.grad.to_dense() for weight in model.parameters()])
    assert sum(weight.square().sum() for weight in clipped[0]).sqrt() == pytest.approx(2.0, rel=1e-4)
    torch.testing.assert_close(clipped[1], clipped[0])


def test_what_is_remembered_goes_on_bit_by_bit():
    whole = make()
    with RowAdamW(groups(whole, 0.1), 0.1, [whole]) as optimizer:
        for number, (ids, gradient) in enumerate(batches(60)):
            if number == 25:
                kept = {name: tensor.clone() for name, tensor in optimizer_tensors(optimizer).items()}
                weight = whole.weight.detach().clone()
            step(whole, optimizer, number, ids, gradient)
    again = make()
    again.weight.data.copy_(weight)
    with RowAdamW(groups(again, 0.1), 0.1, [again]) as optimizer:
        restore_optimizer(optimizer, {name: tensor.clone() for name, tensor in kept.items()})
        for number, (ids, gradient) in enumerate(batches(60)):
            if number >= 25:
                step(again, optimizer, number, ids, gradient)
    assert torch.equal(again.weight, whole.weight)
    dense = make()
    dense.weight.data.copy_(weight)
    with RowAdamW(groups(dense, 0.1), 0.1) as optimizer:  # as with several processes: no rows wait any more
        restore_optimizer(optimizer, {name: tensor.clone() for name, tensor in kept.items()})
        for number, (ids, gradient) in enumerate(batches(60)):
            if number >= 25:
                step(dense, optimizer, number, ids, gradient)
        assert set(optimizer.state[dense.weight]) == {"step", "exp_avg", "exp_avg_sq"}
    torch.testing.assert_close(dense.weight, whole.weight, rtol=1e-5, atol=2e-6)
    with RowAdamW(groups(again, 0.1), 0.1, [again]) as waiting:  # and rows that begin to wait later
        restore_optimizer(waiting, {name: tensor.clone() for name, tensor in optimizer_tensors(optimizer).items()})
        again.weight.data.copy_(dense.weight)
        for number, (ids, gradient) in enumerate(batches(20, seed=1)):
            step(dense, optimizer, number, ids, gradient)
            step(again, waiting, number, ids, gradient)
    torch.testing.assert_close(again.weight, dense.weight, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("how", ["beside", "instead", "sparse"])
def test_a_table_that_is_read_in_another_way_waits_for_nothing(how):
    def run(wait):
        table = make()
        with RowAdamW(groups(table, 0.0), 0.1, [table] if wait else []) as optimizer:
            for number, (ids, gradient) in enumerate(batches(20)):
                optimizer.param_groups[0]["lr"] = rate(number)
                read = embedding(ids, table.weight, sparse=how == "sparse" and table.sparse)
                read = read + table(ids) if how == "beside" else read
                (read * gradient).sum().backward()
                optimizer.step()
                optimizer.zero_grad()
        assert not table.sparse
        return table.weight

    torch.testing.assert_close(run(True), run(False))


def test_which_tables_wait():
    accelerator = Accelerator(cpu=True)
    large, small = nn.Embedding(LARGE // 4, 4), nn.Embedding(LARGE // 4 - 1, 4)
    frozen = nn.Embedding(LARGE // 4, 4)
    frozen.weight.requires_grad_(False)
    tied, output = nn.Embedding(LARGE // 4, 4), nn.Linear(4, LARGE // 4)
    output.weight = tied.weight
    assert large_tables(nn.ModuleList([large, small, frozen, tied, output]), accelerator) == [large]
    config = {"vocab_size": LARGE // 4, "embedding_size": 4, "hidden_size": 4}
    assert large_tables(RNNForCausalLM(RNNConfig(**config)), accelerator) == []
    on_gpu, two = (
        SimpleNamespace(device=torch.device(device), num_processes=count) for device, count in (("cuda", 1), ("cpu", 2))
    )
    assert large_tables(large, on_gpu) == large_tables(large, two) == []


@each([*CLASSIFIERS, *TAGGERS])
def test_every_model_learns_the_same(case):
    def run(smallest):
        torch.manual_seed(0)
        model = case.model().double().train()
        start = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        tables = large_tables(model, Accelerator(cpu=True), smallest)
        with make_optimizer(model, "adamw", 1e-2, 0.1, tables=tables) as optimizer:
            for lengths in ((5, 1, 9, 3), (2, 2), (4, 7, 1), (3,), (8, 8), (1, 6)):
                torch.manual_seed(sum(lengths))
                model(**case.batch(lengths, labels=True)).loss.backward()
                optimizer.step()
                optimizer.zero_grad()
        return {name: weight - start[name] for name, weight in model.named_parameters()}

    expected, moved = run(10**9), run(1)
    for name, move in expected.items():
        torch.testing.assert_close(moved[name], move, rtol=1e-4, atol=1e-6, msg=name)


# --- in the loop ------------------------------------------------------------------------------------------------------


class Model(nn.Module):
    """Three classes from the mean of word vectors, of a table that is large enough to wait."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(LARGE // 256, 256)
        self.classifier = nn.Linear(256, 3)

    def forward(self, input_ids, labels):
        logits = self.classifier(self.words(input_ids).mean(1))
        return SimpleNamespace(loss=cross_entropy(logits, labels))


class Texts:
    """Random texts, of which `stop` batches may be asked for."""

    def __init__(self, size, stop=10**9):
        rng = np.random.default_rng(0)
        self.ids = torch.from_numpy(np.minimum(rng.geometric(0.01, (48, 5)), LARGE // 256 - 1))
        self.size, self.stop = size, stop

    def epoch(self, number):
        order = np.random.default_rng(number).permutation(48)
        return LazyBatches([order[first : first + self.size] for first in range(0, 48, self.size)], self.batch)

    def batch(self, rows):
        self.stop -= 1
        if self.stop < 0:
            raise InterruptedError
        return {"input_ids": self.ids[rows], "labels": self.ids[rows, 0] % 3}

    def items(self, batch):
        return len(batch["labels"])


def run(size=4, folder=None, stop=10**9, **settings):
    settings = TrainingSettings(
        **{"epochs": 3, "learning_rate": 0.02, "max_grad_norm": 0.3, "logging_steps": 1, **settings}
    )
    model, checkpoints = Model(), None if folder is None else Checkpoints(folder, {}, every=1)

    def evaluate(model):
        return {"eval_loss": float(model(**Texts(48).epoch(0)[0]).loss.detach())}

    result = train(model, Texts(size, stop), settings, make_accelerator(settings), evaluate, checkpoints=checkpoints)
    return model.words.weight.detach(), result


@pytest.mark.parametrize("average", [{}, {"ema": 0.9}, {"average_from": 0.4}])
def test_the_loop_gives_what_adamw_gives(average, monkeypatch):
    weights, result = run(**average)
    many, _ = run(2, accumulation=2, **average)
    torch.testing.assert_close(many, weights, rtol=0, atol=1e-4)
    monkeypatch.setattr("wordemb_hf.training.large_tables", lambda *arguments: [])
    dense, expected = run(**average)
    torch.testing.assert_close(weights, dense, rtol=0, atol=1e-3)
    assert (weights - dense).abs().mean() < 1e-8
    assert [row["loss" if "loss" in row else "eval_loss"] for row in result.history] == pytest.approx(
        [row["loss" if "loss" in row else "eval_loss"] for row in expected.history], rel=1e-4
    )


@pytest.mark.parametrize("average", [{}, {"ema": 0.9}, {"average_from": 0.4}])
def test_a_training_that_was_stopped_goes_on_bit_by_bit(tmp_path, average):
    weights, result = run(**average)
    for stop in (5, 3, 13):
        with suppress(InterruptedError):
            run(folder=tmp_path, stop=stop, **average)
    again, going_on = run(folder=tmp_path, **average)
    assert torch.equal(again, weights) and going_on.history == result.history


@pytest.mark.slow
def test_two_processes_go_on_where_one_stopped(tmp_path):
    weights, _ = run(4, accumulation=2, ema=0.9)
    with suppress(InterruptedError):
        run(4, tmp_path / "kept", stop=15, accumulation=2, ema=0.9)
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from safetensors.torch import save_file\n"
        "from tests.test_row_updates import run\n"
        "from accelerate import PartialState\n"
        "weights, _ = run(4, Path(sys.argv[1]), ema=0.9)\n"
        "save_file({'weights': weights}, sys.argv[2] + str(PartialState().process_index))\n"
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, program, tmp_path / "kept", tmp_path / "weights"]
    root = Path(__file__).resolve().parent.parent
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(root)}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0 and "Going on from step 7" in done.stdout, done.stdout + done.stderr
    first, second = (load_file(tmp_path / f"weights{number}")["weights"] for number in (0, 1))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, weights, rtol=0, atol=1e-3)
