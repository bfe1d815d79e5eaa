"""A folder that a bare `save_pretrained` wrote is enough: it loads, runs and saves again where this package is not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file
from wordemb_hf.tokenization.ngram_hashing import NgramScheme

from wordemb_hf.vocabulary import build_tokenizer

from .models import FAMILIES, Case

pytestmark = pytest.mark.slow

# Arguments: what was saved, a folder for each variant with one for each Auto class, inputs and outputs beside it; where
# to save again.
STRANGER = """
import sys
from pathlib import Path

sys.modules["wordemb_hf"] = None  # importing it is an ImportError

import torch
import transformers
from safetensors.torch import load_file

root, again = Path(sys.argv[1]), Path(sys.argv[2])


def load(auto_class, folder, **options):
    return getattr(transformers, auto_class).from_pretrained(folder, **options)


def loads_as_all(folder, names):
    loaded = {name: load(name, folder, trust_remote_code=True) for name in ("AutoConfig", *names)}
    for value in loaded.values():
        assert type(value).__module__.startswith("transformers_modules."), type(value)
    return loaded


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}


for variant in root.iterdir():
    names = [folder.name for folder in variant.iterdir() if folder.is_dir()]
    for name in names:
        folder, second = variant / name, again / variant.name / name
        for auto_class in ("AutoConfig", name):
            try:
                load(auto_class, folder)
            except ValueError as error:
                assert "trust_remote_code" in str(error), error
            else:
                raise AssertionError(f"{auto_class} ran the folder's code unasked")
        model = loads_as_all(folder, names)[name]
        expected = load_file(variant / f"{name}.outputs")
        with torch.no_grad():
            outputs = model(**load_file(variant / f"{name}.inputs"))
        torch.testing.assert_close({key: outputs[key] for key in expected}, expected, rtol=1e-5, atol=1e-6)
        model.save_pretrained(second)
        assert contents(second) == contents(folder)
        loads_as_all(second, names)
print("as expected")
"""


# Arguments: a folder with a tokenizer, where to save it again, the name of what it gives beside ids, its code files,
# texts and what comes out of them.
READER = """
import json
import sys
from pathlib import Path

sys.modules["wordemb_hf"] = None  # importing it is an ImportError

from transformers import AutoTokenizer

folder, again, (name, *files), texts, expected = Path(sys.argv[1]), Path(sys.argv[2]), *map(json.loads, sys.argv[3:])
try:
    AutoTokenizer.from_pretrained(folder)
except ValueError as error:
    assert "trust_remote_code" in str(error), error
else:
    raise AssertionError("AutoTokenizer ran the folder's code unasked")
for place in (folder, again, again / "twice"):
    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=True)
    assert type(tokenizer).__module__.startswith("transformers_modules."), type(tokenizer)
    assert json.loads(json.dumps(dict(tokenizer(texts, padding=True)))) == expected
    assert tokenizer(texts, padding=True, return_tensors="pt")[name].tolist() == expected[name]
    assert [(place / file).read_bytes() for file in files] == [(folder / file).read_bytes() for file in files]
    tokenizer.save_pretrained(again if place == folder else again / "twice")
print("as expected")
"""


def alone(program: str, tmp_path: Path, *arguments: str) -> None:
    """Run a program in a clean process, which must say that all was as expected."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_HOME": str(tmp_path / "home"), "HF_MODULES_CACHE": str(tmp_path / "modules")}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=tmp_path.anchor,
        env=environment | {"HF_HUB_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,  # no one is there to answer a question
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.endswith("as expected\n"), done.stdout + done.stderr


CHARACTERS = ({"max_characters": 9}, "character_ids", "tokenization_char_word.py", "character_ids.py")
NGRAMS = ({"ngrams": NgramScheme(99)}, "ngram_ids", "tokenization_ngram_word.py", "ngram_hashing.py")


@pytest.mark.parametrize("with_model", [False, True], ids=["alone", "beside a model"])
@pytest.mark.parametrize("gives", [CHARACTERS, NGRAMS], ids=["characters", "ngrams"])
def test_a_tokenizer_brings_its_code(gives, with_model, tmp_path):
    options, *files = gives
    tokenizer = build_tokenizer(["the cat sat"], min_count=1, special_tokens=["<s>"], max_length=7, **options)
    folder = tmp_path / "saved"
    if with_model:
        Case(FAMILIES[0], next(iter(FAMILIES[0].variants)), "AutoModel").model().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    texts = ["The Cat sat", "Catastrophes <s>", ""]
    expected = json.dumps(dict(tokenizer(texts, padding=True)))
    files = json.dumps([*files, "token_numbers.py"])
    alone(READER, tmp_path, str(folder), str(tmp_path / "again"), files, json.dumps(texts), expected)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_folder_alone_is_enough(family, tmp_path):
    for variant in family.variants:
        (tmp_path / "saved" / variant).mkdir(parents=True)
        for auto_class in family.auto_classes:
            if (variant, auto_class) in family.excluded:
                continue
            case = Case(family, variant, auto_class)
            model, batch, path = case.model(), case.batch(), tmp_path / "saved" / variant / auto_class
            model.save_pretrained(path)
            save_file(batch, path.with_suffix(".inputs"))
            save_file(case.outputs(model, **batch), path.with_suffix(".outputs"))
    alone(STRANGER, tmp_path, str(tmp_path / "saved"), str(tmp_path / "again"))
