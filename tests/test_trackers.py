"""Trackers: what reaches them, and what is said of those that are not there."""

from importlib.util import find_spec

import pytest

import wordemb_hf
from wordemb_hf.errors import UserError

TEXTS = "".join(f"{label}\t{label} {number}\n" for number in range(12) for label in ("good", "bad"))
SMALL = {"settings": ["embedding_size=4", "num_filters=2"], "epochs": 2}


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "texts.tsv"
    path.write_text(TEXTS)
    return path


def test_tensorboard_has_losses_speed_and_figures(data, tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    wordemb_hf.finetune(data, tmp_path / "model", tracker=["tensorboard"], **SMALL)
    events = event_accumulator.EventAccumulator(str(tmp_path / "logs" / "model")).Reload()
    scalars = {name: events.Scalars(name) for name in events.Tags()["scalars"]}
    assert {"loss", "learning_rate", "tokens_per_second", "eval_accuracy"} <= scalars.keys()
    assert all(event.value > 0 for event in scalars["tokens_per_second"])
    assert [event.step for event in scalars["eval_accuracy"]] == [1, 2]
    assert not any("tfevents" in path.name for path in (tmp_path / "model").rglob("*"))  # nothing of it is pushed


def test_logs_go_where_they_are_wanted(data, tmp_path):
    pytest.importorskip("tensorboard")
    wordemb_hf.finetune(data, tmp_path / "model", tracker=["tensorboard"], logging_dir=tmp_path / "there", **SMALL)
    assert list((tmp_path / "there" / "model").glob("*tfevents*")) and not (tmp_path / "logs").exists()


def test_an_unknown_tracker(data, tmp_path):
    with pytest.raises(UserError, match="tracker is 'excel', but must be one of tensorboard, trackio, wandb"):
        wordemb_hf.finetune(data, tmp_path / "model", tracker=["excel"], **SMALL)


def test_a_tracker_that_is_not_installed(data, tmp_path):
    if find_spec("wandb"):
        pytest.skip("wandb is installed")
    with pytest.raises(UserError, match="tracker is 'wandb', which is not installed: pip install wandb"):
        wordemb_hf.finetune(data, tmp_path / "model", tracker=["wandb"], **SMALL)
    assert not (tmp_path / "model").exists()


def test_word_vectors_have_no_tracker(data, tmp_path):
    with pytest.raises(UserError, match="compile, tracker, ema and average_from are for language models"):
        wordemb_hf.pretrain(data, tmp_path / "model", tracker=["tensorboard"])
