"""`torch.compile` reads every model as one graph, and gets the same numbers from it.

PyTorch leaves its own recurrent layers out of a graph, since their kernels gain nothing by it; told to take them in, it
breaks nowhere else.
"""

import os
import shutil

import pytest
import torch
from safetensors.torch import load_file

import wordemb_hf

from .models import CASES

COMPILERS = [name for name in (os.environ.get("CXX"), "c++", "g++", "clang++", "cl") if name and shutil.which(name)]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not COMPILERS, reason="torch.compile makes C++, and there is no compiler for it here"),
]

# The fullest variant of every class but the plainest head, and every loss of a family's own. A loop over time, which
# clipped layers of ELMo need, stays outside of a graph: it would be unrolled for each length.
FULLEST = [case for case in CASES if case.is_fullest and case.auto_class != "AutoModelForSequenceClassification"]
OWN = [
    case
    for case in CASES
    if case.auto_class in case.family.own_tasks
    and case.task.labels
    and case not in FULLEST
    and getattr(case.config(), "cell_clip", None) is None
]


@pytest.mark.parametrize("case", [*FULLEST, *OWN], ids=str)
def test_compiled_is_the_same(case):
    torch.compiler.reset()
    model = case.model()
    compiled = torch.compile(model, fullgraph=True, dynamic=True)  # texts are of all lengths
    with torch.no_grad(), torch._dynamo.config.patch(allow_rnn=True):
        for lengths in ((3, 2, 4), (2, 6)):
            batch = case.batch(lengths, labels=True)
            actual, expected = compiled(**batch), model(**batch)
            assert actual.keys() == expected.keys()
            torch.testing.assert_close(actual.to_tuple(), expected.to_tuple(), rtol=1e-5, atol=1e-5)


def test_a_compiled_training_leaves_a_plain_model(tmp_path):
    torch.compiler.reset()
    rows = [f"{label}\t{' '.join([label] * length)}\n" for length in (1, 2, 3, 4) for label in ("good", "bad")] * 3
    (tmp_path / "texts.tsv").write_text("".join(rows))
    small = {"settings": ["embedding_size=4", "num_filters=2"], "epochs": 3, "batch_size": 4}
    compiled = wordemb_hf.finetune(tmp_path / "texts.tsv", tmp_path / "compiled", compile=True, **small)
    plain = wordemb_hf.finetune(tmp_path / "texts.tsv", tmp_path / "plain", **small)
    assert compiled["dev"]["loss"] == pytest.approx(plain["dev"]["loss"], abs=0.05)  # other random numbers for dropout
    names = [load_file(tmp_path / name / "model.safetensors").keys() for name in ("compiled", "plain")]
    assert names[0] == names[1]
