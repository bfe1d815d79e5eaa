"""Text as streams and as whole texts: every token is predicted once, and states are carried where the text goes on."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from wordemb_hf.modeling import RNNConfig, RNNForCausalLM

from wordemb_hf.errors import UserError
from wordemb_hf.model_outputs import mean_loss
from wordemb_hf.objectives.sentences import WholeTexts
from wordemb_hf.objectives.streams import TextStreams
from wordemb_hf.training import TrainingSettings, train

IDS = np.arange(100, 161, dtype=np.int32)  # 60 predictions


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("seed", [None, 0, 1])
@pytest.mark.parametrize("length", [1, 4, 7, 100])
def test_every_token_is_predicted_once_and_in_order(processes, seed, length):
    streams = TextStreams(IDS, batch_size=2, length=length, num_processes=processes, seed=seed)
    batches = list(streams.epoch(3))
    seen = []
    for process in range(processes):
        own = batches[process::processes]
        inputs, targets = (torch.cat([batch[name] for batch in own], dim=1) for name in ("input_ids", "shift_labels"))
        assert torch.equal(targets, inputs + 1)  # each is followed by the next of the text
        assert torch.equal(inputs[:, 1:], inputs[:, :-1] + 1)
        assert all(0 < batch["input_ids"].shape[1] <= length for batch in own)
        seen += targets.flatten().tolist()
    assert sorted(seen) == list(range(101, 161))
    assert sum(streams.items(batch) for batch in batches) == 60


def test_cuts_differ_from_epoch_to_epoch():
    streams = TextStreams(IDS, batch_size=1, length=9, seed=0)
    cuts = {tuple(batch["input_ids"].shape[1] for batch in streams.epoch(number)) for number in range(8)}
    assert len(cuts) > 3
    assert [batch["input_ids"].tolist() for batch in streams.epoch(2)] == [
        batch["input_ids"].tolist() for batch in TextStreams(IDS, batch_size=1, length=9, seed=0).epoch(2)
    ]


def test_too_little_text_is_refused():
    with pytest.raises(UserError, match=r"3 tokens, too few for 4 streams.*--batch-size"):
        TextStreams(IDS[:3], batch_size=2, length=5, num_processes=2)


def model() -> RNNForCausalLM:
    torch.manual_seed(0)
    return RNNForCausalLM(RNNConfig(vocab_size=9, embedding_size=8, hidden_size=8, cell_type="gru"))


def test_the_state_is_carried_over_the_cuts():
    ids = np.random.default_rng(0).integers(2, 9, size=201).astype(np.int32)
    pieces = mean_loss(model(), TextStreams(ids, batch_size=2, length=7), Accelerator(cpu=True))
    whole = mean_loss(model(), TextStreams(ids, batch_size=2, length=1000), Accelerator(cpu=True))
    assert pieces == pytest.approx(whole, rel=1e-6)


def test_training_carries_the_state_and_cuts_the_gradient():
    """A word comes back two places on: read word by word, only a carried state knows which."""
    words = np.random.default_rng(0).integers(2, 6, size=400)
    ids = np.concatenate([[word, 7, word] for word in words]).astype(np.int32)
    torch.manual_seed(0)
    network = RNNForCausalLM(RNNConfig(vocab_size=9, embedding_size=32, hidden_size=32, num_hidden_layers=1))
    settings = TrainingSettings(epochs=15, learning_rate=0.02, max_grad_norm=1.0)
    train(network, TextStreams(ids, batch_size=20, length=4, seed=0), settings, Accelerator(cpu=True))
    loss = mean_loss(network, TextStreams(ids, batch_size=1, length=1), Accelerator(cpu=True))
    assert np.log(4) / 3 < loss < 0.6  # what nobody can know, and less than the 0.92 of a reader without memory


def test_whole_texts():
    ids, offsets = np.arange(2, 22, dtype=np.int32), np.array([0, 3, 3, 4, 20])
    texts = WholeTexts(ids, offsets, batch_size=2, max_length=6, pad_token_id=0, seed=0)
    seen = []
    for batch in texts.epoch(0):
        mask = batch["attention_mask"].bool()
        assert torch.equal(batch["labels"][mask], batch["input_ids"][mask])
        assert (batch["labels"][~mask] == -100).all() and (batch["input_ids"][~mask] == 0).all()
        assert texts.items(batch) == mask.sum()
        seen += [row[kept].tolist() for row, kept in zip(batch["input_ids"], mask, strict=True)]
    assert sorted(seen) == [
        [2, 3, 4],
        [5],
        [6, 7, 8, 9, 10, 11],
        [12, 13, 14, 15, 16, 17],
        [18, 19, 20, 21],
    ]
    orders = {str([batch["input_ids"].tolist() for batch in texts.epoch(number)]) for number in range(5)}
    assert len(orders) > 1
