"""Steps of the optimizer when memory runs out, and steps that nobody has to wait for."""

import os
import subprocess
import sys
import textwrap
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate.utils import DistributedType
from torch import nn
from torch.nn.functional import cross_entropy
from wordemb_hf.modeling import RNNConfig, RNNForCausalLM

from wordemb_hf.batching import LazyBatches
from wordemb_hf.checkpoints import Checkpoints
from wordemb_hf.errors import UserError
from wordemb_hf.model_outputs import LossLog
from wordemb_hf.objectives.streams import TextStreams
from wordemb_hf.steps import add_gradients, split
from wordemb_hf.training import TrainingSettings, make_accelerator, train

ROOT = Path(__file__).resolve().parent.parent
LENGTHS = [2, 9, 3, 5]  # of the texts of each batch


class Tagger(nn.Module):
    """Three tags for each word; its memory holds no batch of more than so many words."""

    def __init__(self, memory=10**9):
        super().__init__()
        torch.manual_seed(0)
        self.embeddings, self.tagger = nn.Embedding(20, 4), nn.Linear(4, 3)
        self.memory, self.seen = memory, []

    def forward(self, input_ids, labels):
        if input_ids.numel() > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.seen.append(tuple(input_ids.shape))
        logits = self.tagger(self.embeddings(input_ids).tanh())
        return SimpleNamespace(loss=cross_entropy(logits.transpose(1, 2), labels))


class Sentences:
    """Batches of seven rows, of which some words have no tag."""

    def epoch(self, number):
        def collate(rows):
            rng = np.random.default_rng((number, int(rows[0])))
            ids = torch.from_numpy(rng.integers(0, 20, (7, LENGTHS[int(rows[0])])))
            labels = torch.where(ids < 12, ids % 3, -100)
            labels[-1] = -100  # a piece may have nothing to learn from
            return {"input_ids": ids, "labels": labels}

        return LazyBatches([np.array([index]) for index in range(len(LENGTHS))], collate)

    def items(self, batch):
        return int((batch["labels"] != -100).sum())


def weights(model):
    return torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])


def trained(model, source, folder=None, **settings):
    settings = TrainingSettings(**{"epochs": 2, "learning_rate": 0.05, "logging_steps": 3, **settings})
    checkpoints = Checkpoints(folder, {}, every=1) if folder else None
    return train(model, source, settings, make_accelerator(settings), checkpoints=checkpoints)


@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("memory", [31, 9])
def test_what_does_not_fit_is_computed_in_pieces(accumulation, memory, capsys):
    whole, pieces = Tagger(), Tagger(memory)
    expected = trained(whole, Sentences(), accumulation=accumulation, max_grad_norm=0.1).history
    history = trained(pieces, Sentences(), accumulation=accumulation, max_grad_norm=0.1).history
    torch.testing.assert_close(weights(pieces), weights(whole), rtol=0, atol=1e-5)
    assert [row["step"] for row in history] == [row["step"] for row in expected]
    for name in ("loss", "learning_rate"):
        assert [row[name] for row in history] == pytest.approx([row[name] for row in expected], rel=1e-4)
    assert max(rows * length for rows, length in pieces.seen) <= memory
    assert (7, 2) in pieces.seen or memory < 14  # what fits is left whole
    told = capsys.readouterr()
    assert 1 <= (told.out + told.err).count("Out of memory: larger batches than ") <= 3


def test_text_that_goes_on_goes_on_in_pieces():
    class Small(RNNForCausalLM):
        memory = 10**9

        def forward(self, input_ids, **more):
            output = super().forward(input_ids, **more)
            if input_ids.numel() > self.memory:  # when its state has gone on already
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return output

    done = []
    for memory in (10**9, 17):
        torch.manual_seed(0)
        model = Small(RNNConfig(vocab_size=20, embedding_size=4, hidden_size=4))
        model.memory = memory
        source = TextStreams(np.random.default_rng(0).integers(1, 20, 400), batch_size=5, length=8, seed=0)
        done.append((trained(model, source, accumulation=2).history[-1]["loss"], weights(model)))
    assert done[1][0] == pytest.approx(done[0][0], rel=1e-5)
    torch.testing.assert_close(done[1][1], done[0][1], rtol=0, atol=1e-5)


def test_a_row_that_does_not_fit_ends_the_training():
    with pytest.raises(UserError, match=r"^out of memory on a single row of 9 numbers: lower --max-length"):
        trained(Tagger(8), Sentences())


def test_other_errors_are_none_of_memory():
    class Broken(Tagger):
        def forward(self, **batch):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        trained(Broken(), Sentences())


def test_a_training_in_pieces_goes_on_bit_by_bit(tmp_path):
    class Stopped(Exception):
        """In place of a kill."""

    class Stopping(Sentences):
        def epoch(self, number):
            if number == 1:
                raise Stopped
            return super().epoch(number)

    whole, stopped = Tagger(31), Tagger(31)
    trained(whole, Sentences())
    with suppress(Stopped):
        trained(stopped, Stopping(), tmp_path)
    again = Tagger()  # with memory enough, but the same pieces
    trained(again, Sentences(), tmp_path)
    assert torch.equal(weights(again), weights(whole)) and max(again.seen) < (7, 9)


def test_weights_that_are_no_numbers_are_never_kept(tmp_path):
    class Bad(Tagger):
        def forward(self, **batch):
            output = super().forward(**batch)
            output.loss = output.loss * (float("inf") if len(self.seen) == 4 else 1.0)
            return output

    with pytest.raises(UserError, match=r"^the loss is inf at step 4: "):
        trained(Bad(), Sentences(), tmp_path, logging_steps=50)
    checkpoint = Checkpoints(tmp_path, {}).newest()
    assert checkpoint.step == 3
    assert all(bool(tensor.isfinite().all()) for tensor in checkpoint.tensors["model"].values())


@pytest.mark.parametrize(
    ("room", "rows"), [(0, [5]), (100, [5]), (20, [5]), (19, [3, 2]), (9, [2, 2, 1]), (1, [1] * 5)]
)
def test_pieces_are_whole_rows(room, rows):
    batch = {"input_ids": torch.arange(20).view(5, 4), "labels": torch.arange(5)}
    pieces = split(batch, room)
    assert [len(piece["labels"]) for piece in pieces] == rows
    for name, tensor in batch.items():
        assert torch.equal(torch.cat([piece[name] for piece in pieces]), tensor)


def test_a_step_asks_the_device_for_nothing():
    # A device without numbers: whoever waits for one fails.
    device, source, model = torch.device("meta"), Sentences(), Tagger().to("meta")
    accelerator = SimpleNamespace(
        device=device,
        num_processes=1,
        distributed_type=DistributedType.NO,
        autocast=nullcontext,
        backward=lambda loss: loss.backward(),
        no_sync=lambda model: nullcontext(),
    )
    state = SimpleNamespace(
        accelerator=accelerator, source=source, prepared=model, carried={}, room=30, step=0, log=LossLog(device)
    )
    with pytest.raises(RuntimeError):
        float(state.log.sums[0])
    add_gradients(state, list(source.epoch(0)), summed=False)
    assert model.tagger.weight.grad.shape == (3, 4) and len(model.seen) == 7


PROGRAM = """
import os, sys, torch
from safetensors.torch import save_file
from tests.test_steps import Sentences, Tagger, trained

rank = int(os.environ["RANK"])
model = Tagger(int(sys.argv[1]) if rank == 1 else 10**9)
trained(model, Sentences(), accumulation=int(sys.argv[2]))
# A file for each process: what both print can come out between each other's letters.
largest = torch.tensor(max(rows for rows, _ in model.seen))
save_file({**model.state_dict(), "largest": largest}, f"{sys.argv[3]}.{rank}")
"""


@pytest.mark.slow
@pytest.mark.parametrize("accumulation", [1, 2])
def test_one_of_two_processes_runs_out_of_memory(tmp_path, accumulation):
    from safetensors.torch import load_file

    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    found = []
    for memory in (10**9, 20):
        command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", tmp_path / "program.py"]
        done = subprocess.run(
            [sys.executable, *map(str, [*command, memory, accumulation, tmp_path / f"{memory}.safetensors"])],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr
        first, second = (load_file(tmp_path / f"{memory}.safetensors.{rank}") for rank in (0, 1))
        assert first.pop("largest") == 7 and (second["largest"] == 7) == (memory > 20)
        found.append(first)
    for name, weight in found[0].items():
        torch.testing.assert_close(found[1][name], weight, rtol=0, atol=1e-5)
    assert "Out of memory" in done.stdout + done.stderr
