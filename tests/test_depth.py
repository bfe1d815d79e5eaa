"""Layers by depth, their rates, and the epochs from which they are trained."""

import pytest
import torch
from wordemb_hf.modeling import BiLSTMConfig, BiLSTMForSequenceClassification

from wordemb_hf.batching import LazyBatches
from wordemb_hf.depth import depths_of
from wordemb_hf.errors import UserError
from wordemb_hf.optimization import lowest_trained, make_optimizer
from wordemb_hf.training import TrainingSettings, make_accelerator, train

from .models import CASES

CLASSIFIERS = [case for case in CASES if case.auto_class == "AutoModelForSequenceClassification" and case.is_fullest]


@pytest.mark.parametrize("case", CLASSIFIERS, ids=str)
def test_words_lie_at_the_bottom_and_the_head_on_top(case):
    model = case.model()
    depths = depths_of(model)
    top = max(depths.values())
    for name, depth in depths.items():
        assert (depth == top) == (not name.startswith(model.base_model_prefix)), name
        assert (depth == 0) == any(part in name for part in ("embeddings", "character_encoder", "bigrams.buckets")), (
            name
        )
    layers = getattr(model.config, "num_hidden_layers", 1)
    assert sorted(set(depths.values())) in ([top], [0, top], list(range(layers + 2)))


class Texts:
    """The same texts in every epoch."""

    def __init__(self):
        rng = torch.Generator().manual_seed(0)
        self.ids = torch.randint(1, 20, (12, 5), generator=rng)
        self.labels = torch.randint(0, 2, (12,), generator=rng)

    def epoch(self, number):
        batches = [torch.arange(start, start + 4).numpy() for start in (0, 4, 8)]
        return LazyBatches(batches, lambda rows: {"input_ids": self.ids[rows], "labels": self.labels[rows]})

    def items(self, batch):
        return len(batch["labels"])


def trained(**options):
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "embedding_size": 4, "hidden_size": 4, "num_hidden_layers": 2}
    model = BiLSTMForSequenceClassification(BiLSTMConfig(**sizes))
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    settings = TrainingSettings(learning_rate=0.1, schedule="constant", **options)
    train(model, Texts(), settings, make_accelerator(settings))
    return before, dict(model.named_parameters()), depths_of(model)


@pytest.mark.parametrize(
    ("unfreezing", "epochs", "lowest"),
    [("all", 1, 0), ("head", 4, 3), ("gradual", 1, 3), ("gradual", 2, 2), ("gradual", 3, 1), ("gradual", 4, 0)],
)
def test_layers_are_trained_from_their_epoch_on(unfreezing, epochs, lowest):
    assert lowest_trained(unfreezing, 3, epochs - 1) == lowest
    before, after, depths = trained(unfreezing=unfreezing, epochs=epochs, weight_decay=0.1)
    for name, depth in depths.items():
        assert torch.equal(before[name], after[name]) == (depth < lowest), name


def test_lower_layers_take_smaller_steps():
    """By plain SGD a first step is the gradient times the rate."""
    whole, alike, depths = trained(epochs=1, optimizer="sgd", accumulation=3)
    _, after, _ = trained(epochs=1, optimizer="sgd", accumulation=3, layer_decay=0.5)
    for name, depth in depths.items():
        torch.testing.assert_close(after[name] - whole[name], (alike[name] - whole[name]) * 0.5 ** (3 - depth))


def test_an_optimizer_has_every_weight_once():
    for case in CLASSIFIERS:
        model = case.model()
        groups = make_optimizer(model, "adamw", 0.1, 0.1, 0.5).param_groups
        known = [id(parameter) for group in groups for parameter in group["params"]]
        wanted = [id(parameter) for parameter in model.parameters() if parameter.requires_grad]
        assert sorted(known) == sorted(wanted)


@pytest.mark.parametrize("share", [0.0, 1.5, float("nan")])
def test_impossible_shares_are_refused(share):
    with pytest.raises(UserError, match="layer_decay is"):
        TrainingSettings(epochs=1, learning_rate=0.1, layer_decay=share)
