"""A training of word vectors from beginning to end: engines, checkpoints, and processes that are averaged."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from wordemb_hf.errors import UserError
from wordemb_hf.token_ids import Ids
from wordemb_hf.training import TrainingSettings
from wordemb_hf.word2vec import averaging, engine_training
from wordemb_hf.word2vec.averaging import RowAverage, reads_per_word
from wordemb_hf.word2vec.checkpoint import Checkpoint
from wordemb_hf.word2vec.engine_training import engine_for, train_by_engine
from wordemb_hf.word2vec.tables import learnt_tables

pytest.importorskip("numba", reason="the CPU engine needs numba")

from .test_word2vec_cpu import make_corpus, make_model, short_stretches  # noqa: F401

SETTINGS = TrainingSettings(epochs=3, learning_rate=0.05, floor=1e-4, seed=3)


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_a_training_that_was_stopped_goes_on_to_the_same_end(engine, accelerator, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(engine_training, "_KEEP_EVERY", 0.0)
    ids = make_corpus()
    whole, stopped = make_model(ids), make_model(ids)
    output = tmp_path / "vectors"
    torch.manual_seed(0)
    train_by_engine(engine, whole, ids, SETTINGS, accelerator, threads=1)

    save, saved = Checkpoint.save, []

    def save_and_stop(self, position):
        save(self, position)
        saved.append(position)
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train_by_engine(engine, stopped, ids, SETTINGS, accelerator, threads=1, output=output)
    monkeypatch.setattr(Checkpoint, "save", save)
    again = make_model(ids)
    train_by_engine(engine, again, ids, SETTINGS, accelerator, threads=1, output=output)
    assert "Going on where the training was stopped." in capsys.readouterr().out
    assert saved[0] > 0 and not list(tmp_path.iterdir())
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_a_checkpoint_is_of_one_training(tmp_path):
    ids, model = make_corpus(), make_model(make_corpus())
    output = tmp_path / "vectors"
    kept = Checkpoint(output, model, ids, SETTINGS, "cpu")
    assert kept.load() == 0
    kept.save(7)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model.word2vec.word_embeddings.weight.zero_()
    assert kept.load() == 7
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert Checkpoint(output, model, make_corpus(seed=1), SETTINGS, "cpu").load() == 0
    assert Checkpoint(output, model, ids, TrainingSettings(epochs=4, learning_rate=0.05), "cpu").load() == 0
    assert Checkpoint(output, make_model(ids, window_size=2), ids, SETTINGS, "cpu").load() == 0
    assert Checkpoint(output, model, ids, SETTINGS, "torch").load() == 0
    kept.path.write_bytes(kept.path.read_bytes()[:100])
    assert kept.load() == 0
    kept.remove()
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_cannot_be_written_does_not_stop_a_training(accelerator, tmp_path, monkeypatch):
    resource = pytest.importorskip("resource", reason="limits the size of files, as POSIX can")
    monkeypatch.setattr(engine_training, "_KEEP_EVERY", 0.0)
    ids = make_corpus()
    model = make_model(ids)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.warns(UserWarning, match="checkpoint .* cannot be written: .*; training goes on"):
            train_by_engine("cpu", model, ids, SETTINGS, accelerator, threads=1, output=tmp_path / "vectors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert model.word2vec.word_embeddings.weight.isfinite().all() and not list(tmp_path.iterdir())


def test_which_engine_trains(accelerator, monkeypatch):
    ids = make_corpus()
    plain, tree = make_model(ids), make_model(ids, loss="hierarchical_softmax")
    on = {name: SimpleNamespace(device=torch.device(name)) for name in ("cpu", "cuda", "mps")}
    assert engine_for(plain, accelerator) == engine_for(tree, accelerator) == "cpu"
    present = {"numba", "triton"}
    monkeypatch.setattr(engine_training, "find_spec", lambda name: name if name in present else None)
    assert [engine_for(plain, on[name]) for name in ("cpu", "cuda", "mps")] == ["cpu", "gpu", "torch"]
    assert [engine_for(tree, on[name]) for name in ("cpu", "cuda", "mps")] == ["cpu", None, None]
    present.clear()
    assert [engine_for(plain, on[name]) for name in ("cpu", "cuda", "mps")] == ["torch"] * 3
    assert engine_for(tree, on["cpu"]) is None


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_the_history_leads_to_the_end(engine, accelerator):
    ids = make_corpus()
    result = train_by_engine(engine, make_model(ids), ids, SETTINGS, accelerator, threads=1)
    rows = result.history
    assert rows[-1]["step"] == 3 * len(ids.ids) and rows[-1]["epoch"] == 3
    assert rows[-1]["learning_rate"] == pytest.approx(0.05 * 1e-4)
    assert all(np.isfinite(row["loss"]) for row in rows) and result.seconds > 0


def test_a_rate_that_diverges_is_told(accelerator):
    ids = make_corpus()
    with pytest.raises(UserError, match=r"learning_rate is 1e\+30"):
        train_by_engine("cpu", make_model(ids), ids, TrainingSettings(1, 1e30), accelerator, threads=1)


def test_the_parts_of_processes_are_the_corpus():
    ids = make_corpus()
    for parts in (1, 2, 3, 7):
        pieces = [engine_training._part(ids, number, parts) for number in range(parts)]
        assert np.array_equal(np.concatenate([piece.ids for piece in pieces]), ids.ids)
        for piece in pieces:
            assert piece.offsets[0] == 0 and piece.offsets[-1] == len(piece.ids) and (np.diff(piece.offsets) >= 0).all()
        # Words of one document in a part are words of one document in the corpus.
        whole = np.repeat(np.arange(len(ids.offsets) - 1), np.diff(ids.offsets))
        own = [np.repeat(np.arange(len(piece.offsets) - 1), np.diff(piece.offsets)) for piece in pieces]
        starts = np.cumsum([0, *(len(piece.ids) for piece in pieces)])
        for start, documents in zip(starts, own, strict=False):
            there = whole[start : start + len(documents)]
            assert np.array_equal(documents[1:] != documents[:-1], there[1:] != there[:-1])
    single = engine_training._part(Ids(np.array([5], np.int32), np.array([0, 1])), 1, 2)
    assert len(single.ids) == 0 and single.offsets.tolist() == [0, 0]


class Processes:
    """Two processes in one: whatever is reduced is what both of them would give."""

    num_processes = 2

    def __init__(self, steps: list[torch.Tensor]):
        self.steps = steps

    def reduce(self, value: torch.Tensor, kind: str) -> torch.Tensor:
        assert kind == "sum"
        moved = [step.bool().any(1) for step in self.steps]
        if value.dtype == torch.int32:
            return moved[0].to(torch.int32) + moved[1].to(torch.int32)
        rows = moved[0] | moved[1]
        return self.steps[0][rows] + self.steps[1][rows]


def test_seldom_read_rows_add_up_and_others_are_averaged():
    before = torch.arange(10.0).view(5, 2)
    one, two = torch.zeros(5, 2), torch.zeros(5, 2)
    one[1], two[2] = 1.0, 2.0  # read by one process alone: its step stays, however often
    one[3], two[3] = 1.0, 3.0
    one[4], two[4] = 1.0, 3.0
    table = before + one
    average = RowAverage([table - one], Processes([one, two]))
    average._tables = [table]
    average([torch.tensor([0.0, 9.0, 0.0, 1e-12, 50.0])])
    torch.testing.assert_close(table, before + torch.tensor([[0.0], [1.0], [2.0], [4.0], [2.0]]))


@pytest.mark.parametrize("processes", [1, 2, 5])
@pytest.mark.parametrize("reads", [1, 10, 1000])
def test_steps_go_as_far_as_those_of_one_process_would(processes, reads):
    share = 0.03  # of the way that is left, for each read
    step = 1 - (1 - share) ** reads
    alone = 1 - (1 - share) ** (reads * processes)
    damped = averaging._damping(torch.tensor([-reads * np.log(1 - share)]), torch.tensor([processes]))
    assert processes * step * damped.item() == pytest.approx(alone)


def test_processes_meet_ever_more_seldom():
    places = [0]
    while places[-1] < 10_000_000:
        places.append(averaging.next_meeting(places[-1], 10, 4))
    rounds = np.diff(places)
    assert rounds[0] == 10 and (np.diff(rounds) >= 0).all()
    assert rounds[-1] == pytest.approx(0.1 / 4 * places[-2], rel=0.01) and len(places) < 700


@pytest.mark.parametrize("fields", [{}, {"loss": "hierarchical_softmax"}, {"num_ngram_buckets": 17}])
def test_reads_are_counted_by_the_counts_of_words(fields):
    ids = make_corpus()
    model = make_model(ids, subsample_threshold=0, **fields)
    reads = reads_per_word(model)
    assert [len(read) for read in reads] == [len(table.weight) for table in learnt_tables(model)]
    share = torch.from_numpy(ids.counts(30) / len(ids.ids))
    torch.testing.assert_close(reads[0], share)
    if "loss" in fields:
        assert reads[1][0] == pytest.approx(1)  # every path begins at the root
    else:
        assert reads[1].sum() == pytest.approx(6) and not reads[1][:2].any()
    if "num_ngram_buckets" in fields:
        expected = [(share * (model.word2vec.word_ngrams == row).sum(1)).sum() for row in range(1, 18)]
        torch.testing.assert_close(reads[2][1:], torch.stack(expected))
