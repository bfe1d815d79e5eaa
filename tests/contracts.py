"""What the tests of every model share: the cases of a kind, and what it is to be the same."""

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from wordemb_hf import modeling

from .models import CASES, FAMILIES, Case

MODELING = Path(modeling.__file__).parent
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def of(auto_class: str) -> list[Case]:
    return [case for case in CASES if case.auto_class == auto_class]


CLASSIFIERS, TAGGERS = of("AutoModelForSequenceClassification"), of("AutoModelForTokenClassification")
TRAINED = [case for case in CASES if case.task.labels]
PIPELINES = [case for case in CASES if case.task.pipeline and case.task.pipeline != "fill-mask"]
families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def close(actual, expected, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def same(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """The same names, and the same bits under them."""
    assert actual.keys() == expected.keys()
    for name in expected:
        assert torch.equal(actual[name], expected[name]), name


def trained_names(model: nn.Module) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


def loss_of(case: Case, model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The model's loss; of a backbone, which has none, something that depends on all it returns."""
    answer = model(**batch)
    return answer.loss if case.task.labels else sum(answer[name].square().sum() for name in case.task.outputs)
