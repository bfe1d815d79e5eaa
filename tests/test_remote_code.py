"""A folder that a bare `save_pretrained` wrote is enough: it loads, runs and saves again where this package is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

from .models import FAMILIES, Case

pytestmark = pytest.mark.slow

# Arguments: a folder with one folder for each Auto class, with the inputs and expected outputs beside its model.
STRANGER = """
import sys
from pathlib import Path

sys.modules["wordemb_hf"] = None  # importing it is an ImportError

import torch
import transformers
from safetensors.torch import load_file

root = Path(sys.argv[1])
names = sys.argv[2:]


def load(auto_class, folder, **options):
    return getattr(transformers, auto_class).from_pretrained(folder, **options)


def check(name, folder):
    config = load("AutoConfig", folder, trust_remote_code=True)
    assert type(config).__module__.startswith("transformers_modules."), type(config)
    for auto_class in names:
        model = load(auto_class, folder, trust_remote_code=True)
        assert type(model).__module__.startswith("transformers_modules."), type(model)
        if auto_class == name:
            own = model
    expected = load_file(root / f"{name}.outputs")
    with torch.no_grad():
        outputs = own(**load_file(root / f"{name}.inputs"))
    for key in expected:
        assert torch.equal(outputs[key], expected[key]), (name, key)
    return own


for name in names:
    for auto_class in ("AutoConfig", name):
        try:
            load(auto_class, root / name)
        except ValueError as error:
            assert "trust_remote_code" in str(error), error
        else:
            raise AssertionError(f"{auto_class} ran the folder's code unasked")
    model = check(name, root / name)
    again = root / "again" / name
    model.save_pretrained(again)
    files = [sorted(path.name for path in folder.iterdir()) for folder in (root / name, again)]
    assert files[0] == files[1], files
    check(name, again)
print("as expected")
"""


@pytest.mark.parametrize(
    ("family", "variant"),
    [(family, variant) for family in FAMILIES for variant in family.variants],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_folder_alone_is_enough(family, variant, tmp_path):
    for auto_class in family.auto_classes:
        case = Case(family, variant, auto_class)
        model, batch = case.model(), case.batch()
        model.save_pretrained(tmp_path / auto_class)
        save_file(batch, tmp_path / f"{auto_class}.inputs")
        save_file(
            {name: output.contiguous() for name, output in case.outputs(model, **batch).items()},
            tmp_path / f"{auto_class}.outputs",
        )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_HOME": str(tmp_path / "home"), "HF_MODULES_CACHE": str(tmp_path / "modules")}
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(tmp_path), *family.auto_classes],
        cwd=Path(tmp_path.anchor),
        env=environment | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,  # no one is there to answer a question
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.endswith("as expected\n"), done.stdout + done.stderr
