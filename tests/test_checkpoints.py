"""Checkpoints: whole or not there, of one training alone; and trainings that go on from them bit by bit."""

import json
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from wordemb_hf.modeling import BiLSTMConfig, BiLSTMForSequenceClassification, RNNConfig, RNNForCausalLM

from wordemb_hf.batching import LazyBatches
from wordemb_hf.checkpoints import Checkpoint, Checkpoints, describe_training
from wordemb_hf.errors import UserError
from wordemb_hf.objectives.streams import TextStreams
from wordemb_hf.training import TrainingSettings, make_accelerator, train

TRAINING = {"learning_rate": 0.1, "data": "abc"}


def numbered(folder):
    return sorted(path.name for path in folder.iterdir())


def checkpoint(step: int) -> Checkpoint:
    model = {"weight": torch.full((2,), step, dtype=torch.int64)}
    return Checkpoint(step, {"epoch": step}, {"model": model, "process-0": {"random": torch.get_rng_state()}})


def test_the_newest_two_stay(tmp_path):
    checkpoints = Checkpoints(tmp_path / "kept", TRAINING)
    assert checkpoints.newest() is None
    for step in (5, 10, 99_999_999, 100_000_002):
        checkpoints.save(checkpoint(step))
    assert numbered(tmp_path / "kept") == ["step-100000002", "step-99999999"]
    newest = checkpoints.newest()
    assert (newest.step, newest.state) == (100_000_002, {"epoch": 100_000_002})
    assert newest.tensors["model"]["weight"].tolist() == [100_000_002] * 2
    assert torch.equal(newest.tensors["process-0"]["random"], torch.get_rng_state())


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "state.json").unlink(),
        lambda folder: (folder / "state.json").write_text("{"),
        lambda folder: (folder / "state.json").write_text("[]"),
        lambda folder: (folder / "model.safetensors").write_bytes(b""),
        lambda folder: (folder / "model.safetensors").open("r+b").write(b"\xff" * 200),
    ],
)
def test_a_damaged_one_is_passed_over_with_a_warning(tmp_path, damage):
    checkpoints = Checkpoints(tmp_path, TRAINING)
    for step in (5, 10):
        checkpoints.save(checkpoint(step))
    damage(tmp_path / "step-00000010")
    with pytest.warns(UserWarning, match="step-00000010 is damaged: .+; taking the one before"):
        assert checkpoints.newest().step == 5


def test_one_that_was_half_written_is_none(tmp_path):
    checkpoints = Checkpoints(tmp_path, TRAINING)
    checkpoints.save(checkpoint(5))
    (tmp_path / "step-00000005").rename(tmp_path / "step-00000009.partial")
    assert checkpoints.newest() is None


def test_a_full_disk_does_not_stop_the_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="cannot be written: .+; training goes on"):
        Checkpoints(tmp_path / "file", TRAINING).save(checkpoint(5))


def test_those_of_another_training_are_refused_by_what_differs(tmp_path):
    Checkpoints(tmp_path, TRAINING).save(checkpoint(5))
    other = {**TRAINING, "learning_rate": 0.2, "seed": 1}
    with pytest.raises(
        UserError, match=r"learning_rate was 0\.1 and is 0\.2; seed was null and is 1\. .*--resume never"
    ):
        Checkpoints(tmp_path, other).newest()
    with pytest.raises(UserError, match="checkpoint_steps is -1"):
        Checkpoints(tmp_path, TRAINING, every=-1)


class Stopped(Exception):
    """In place of a kill."""


@dataclass
class Killed:
    """A source that stops the training when so many batches have been asked for."""

    source: object
    batches: int

    def __getattr__(self, name):
        return getattr(self.source, name)

    def epoch(self, number):
        inner = self.source.epoch(number)

        class Batches(LazyBatches):
            def __getitem__(batches, index):
                self.batches -= 1
                if self.batches < 0:
                    raise Stopped
                return inner[index]

        return Batches(inner.indices, lambda indices: {})


class Texts:
    """Random texts of random classes, in another order in every epoch."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.ids = torch.from_numpy(rng.integers(1, 20, (26, 5)))
        self.labels = torch.from_numpy(rng.integers(0, 2, 26))

    def epoch(self, number):
        order = np.random.default_rng((0, number)).permutation(26)
        batches = [order[start : start + 4] for start in range(0, 26, 4)]
        return LazyBatches(batches, lambda rows: {"input_ids": self.ids[rows], "labels": self.labels[rows]})

    def items(self, batch):
        return len(batch["labels"])


def classifier():
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "embedding_size": 4, "hidden_size": 4}
    return BiLSTMForSequenceClassification(BiLSTMConfig(**sizes, classifier_dropout=0.5)), Texts()


def language_model():
    torch.manual_seed(0)
    model = RNNForCausalLM(RNNConfig(vocab_size=20, embedding_size=4, hidden_size=4, embedding_dropout=0.5))
    return model, TextStreams(np.random.default_rng(0).integers(1, 20, 200), 2, 8, seed=0)


def run(folder, make, settings, killed_after=None, every=1):
    model, source = make()
    accelerator = make_accelerator(settings)

    def evaluate(current):
        return {"eval_loss": float(sum(weight.detach().square().mean() for weight in current.parameters()))}

    source = source if killed_after is None else Killed(source, killed_after)
    checkpoints = Checkpoints(folder, TRAINING, every=every) if folder is not None else None
    result = train(model, source, settings, accelerator, evaluate, checkpoints=checkpoints)
    return model.state_dict(), result


@pytest.mark.parametrize("make", [classifier, language_model])
@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("every", [1, 4])
def test_a_training_goes_on_bit_by_bit(tmp_path, make, accumulation, every):
    settings = TrainingSettings(
        epochs=3, learning_rate=0.05, accumulation=accumulation, warmup=0.1, max_grad_norm=1.0, logging_steps=2
    )
    whole, expected = run(None, make, settings)
    for stop in (1, 6, 7, 8, 13, 20):
        folder = tmp_path / str(stop)
        with pytest.raises(Stopped):
            run(folder, make, settings, stop, every)
        with suppress(Stopped):  # and once more, where three batches are still to come
            run(folder, make, settings, 3, every)
        weights, result = run(folder, make, settings, None, every)
        for name, weight in whole.items():
            assert torch.equal(weights[name], weight), name
        assert result.history == expected.history and result.best == expected.best


@pytest.mark.parametrize("make", [classifier, language_model])
@pytest.mark.parametrize("average", [{"ema": 0.9}, {"average_from": 0.6}])
def test_an_average_goes_on_bit_by_bit(tmp_path, make, average):
    settings = TrainingSettings(epochs=3, learning_rate=0.05, accumulation=2, max_grad_norm=1.0, **average)
    whole, expected = run(None, make, settings)
    _, plain = run(None, make, TrainingSettings(**{**vars(settings), "ema": 0.0, "average_from": 1.0}))
    assert plain.history != expected.history
    for stop in (1, 7, 13, 17):
        folder = tmp_path / str(stop)
        with pytest.raises(Stopped):
            run(folder, make, settings, stop)
        with suppress(Stopped):
            run(folder, make, settings, 4)
        weights, result = run(folder, make, settings)
        for name, weight in whole.items():
            assert torch.equal(weights[name], weight), name
        assert result.history == expected.history and result.best == expected.best


def test_settings_that_are_off_are_those_of_before_there_were_any():
    model, off = classifier()[0], TrainingSettings(epochs=1, learning_rate=0.05)
    assert not {"ema", "average_from"} & describe_training(model, off, []).keys()
    on = TrainingSettings(epochs=1, learning_rate=0.05, ema=0.9)
    assert describe_training(model, on, [])["ema"] == 0.9


def test_a_training_that_was_done_is_not_done_again(tmp_path):
    settings = TrainingSettings(epochs=2, learning_rate=0.05)
    whole, expected = run(tmp_path, classifier, settings)
    weights, result = run(tmp_path, classifier, settings, killed_after=0)
    assert all(torch.equal(weights[name], weight) for name, weight in whole.items())
    assert result.history == expected.history


def test_patience_that_has_ended_has_ended(tmp_path):
    settings = TrainingSettings(epochs=50, learning_rate=0.05, patience=2)
    _, expected = run(tmp_path, classifier, settings)
    assert expected.history[-1]["epoch"] < 50
    _, result = run(tmp_path, classifier, settings, killed_after=0)
    assert result.history == expected.history


def test_nothing_is_kept_of_a_short_training_unless_asked_for(tmp_path):
    run(tmp_path / "kept", classifier, TrainingSettings(epochs=2, learning_rate=0.05), every=0)
    assert not (tmp_path / "kept").exists()


def test_no_checkpoint_is_a_pickle(tmp_path):
    run(tmp_path, classifier, TrainingSettings(epochs=1, learning_rate=0.05))
    for folder in tmp_path.iterdir():
        names = {path.name for path in folder.iterdir()}
        files = {f"{name}.safetensors" for name in ("model", "optimizer", "best", "process-0")}
        assert names - {"best.safetensors"} == (files | {"state.json"}) - {"best.safetensors"}
        assert json.loads((folder / "state.json").read_text())["training"] == TRAINING


def test_weights_that_are_no_numbers_are_not_kept(tmp_path):
    class Diverging(Texts):
        """From the fifth batch on nothing is a number."""

        seen = 0

        def items(self, batch):
            self.seen += 1
            return float("nan") if self.seen > 8 else 2  # asked twice in a step

    model, _ = classifier()
    settings = TrainingSettings(epochs=3, learning_rate=0.05, logging_steps=100)
    with pytest.raises(UserError, match="the loss is nan at step 5: try a lower"):
        train(model, Diverging(), settings, make_accelerator(settings), checkpoints=Checkpoints(tmp_path, TRAINING, 1))
    newest = Checkpoints(tmp_path, TRAINING).newest()
    assert newest.step == 4 and all(bool(tensor.isfinite().all()) for tensor in newest.tensors["model"].values())
