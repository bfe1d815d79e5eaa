"""Importing is registering, in any order, and costs nothing; what has a name can be found under it."""

import ast
import importlib
import importlib.util
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import wordemb_hf
from wordemb_hf import modeling, tokenization

from .models import FAMILIES

ROOT = Path(__file__).resolve().parent.parent


def run(program: str, folder: Path) -> str:
    """What a program prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Importing


def test_importing_costs_nothing(tmp_path):
    program = "import json, sys, wordemb_hf.modeling, wordemb_hf.tokenization; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(run(program, tmp_path))
    heavy = {"torch", "transformers", "numpy", "accelerate", "datasets", "huggingface_hub", "tokenizers", "typer"}
    assert "wordemb_hf.registration" in modules and not heavy.intersection(modules)


# The Auto modules are loaded by many roads: before the package, after it, or by it.
ORDERS = {
    "before all": "import wordemb_hf; from transformers import AutoConfig, AutoModel",
    "after AutoConfig": "from transformers import AutoConfig; import wordemb_hf; from transformers import AutoModel",
    "after AutoModel": "from transformers import AutoModel; import wordemb_hf",
    "before AutoTokenizer": "import wordemb_hf; from transformers import AutoTokenizer",
    "after AutoTokenizer": "from transformers import AutoTokenizer; import wordemb_hf",
    "before pipeline": "import wordemb_hf; from transformers import pipeline",
    "after pipeline": "from transformers import pipeline; import wordemb_hf",
    "before Trainer": "import wordemb_hf; from transformers import Trainer",
    "after Trainer": "from transformers import Trainer; import wordemb_hf",
    "before PreTrainedModel": "import wordemb_hf; from transformers import PreTrainedModel, AutoModel",
    "after PreTrainedModel": "from transformers import PreTrainedModel; import wordemb_hf",
    "by a modeling file": "import wordemb_hf.modeling.modeling_textcnn",
    "by a tokenization file": "import wordemb_hf.tokenization.tokenization_char_word",
    "by a class, after AutoModel": "from transformers import AutoModel; from wordemb_hf.modeling import TextCNNModel",
    "twice": """
        import importlib, wordemb_hf, wordemb_hf.registration
        wordemb_hf.register()
        importlib.reload(wordemb_hf.registration)
        importlib.reload(wordemb_hf)
        from transformers import AutoModel
        importlib.reload(wordemb_hf.registration)
        importlib.reload(wordemb_hf)
    """,
}

EVERYTHING_IS_KNOWN = """
import transformers
from wordemb_hf.modeling import FAMILIES
for family, (name, *_) in FAMILIES.items():
    module = __import__(f"wordemb_hf.modeling.modeling_{family}", fromlist=["*"])
    for auto_class, model in module.AUTO_CLASSES.items():
        config = transformers.AutoConfig.for_model(f"wordemb_{family}", vocab_size=5)
        assert type(config) is model.config_class and type(config).__name__ == name
        assert type(getattr(transformers, auto_class).from_config(config)) is model
        print(model.__name__)

from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING, tokenizer_class_from_name
from wordemb_hf import tokenization
for name in tokenization.TOKENIZERS:
    assert tokenizer_class_from_name(name) is getattr(tokenization, name)
    print(name)
for family in FAMILIES:  # a folder gets a tokenizer of ours if it calls for it by name, and only then
    assert type(transformers.AutoConfig.for_model(f"wordemb_{family}", vocab_size=5)) not in TOKENIZER_MAPPING
"""


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_every_order_of_imports_knows_every_family(order, tmp_path):
    known = run(textwrap.dedent(ORDERS[order]) + EVERYTHING_IS_KNOWN, tmp_path).split()
    models = [model.__name__ for family in FAMILIES for model in family.auto_classes.values()]
    assert sorted(known) == sorted([*models, *tokenization.TOKENIZERS])


# Public names


@pytest.mark.parametrize("module", [wordemb_hf, modeling, tokenization], ids=lambda module: module.__name__)
def test_public_names_are_there(module):
    assert len(set(module.__all__)) == len(module.__all__) and dir(module) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        module.nonsense  # noqa: B018 - reading it is the test


def test_a_verb_is_a_function_of_its_name():
    for verb in wordemb_hf.VERBS:
        assert callable(getattr(wordemb_hf, verb)) and getattr(wordemb_hf, verb).__name__ == verb
        # Importing a module of this name would put it in the function's place.
        assert not (ROOT / "wordemb_hf" / f"{verb}.py").exists() and not (ROOT / "wordemb_hf" / verb).exists()


def test_every_class_is_in_the_table_of_families():
    for family, names in modeling.FAMILIES.items():
        prefix = names[0].removesuffix("Config")
        assert prefix.lower() == family.replace("_", "")
        defined = []
        for kind in ("configuration", "modeling"):
            tree = ast.parse((ROOT / "modeling" / f"{kind}_{family}.py").read_text(encoding="utf-8"))
            defined += [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        # Bases and outputs are not for users to name.
        public = [name for name in defined if not re.search(r"^_|PreTrainedModel$|Output$", name)]
        assert sorted(public) == sorted(names)
        assert all(name.startswith(prefix) for name in names)


def test_every_family_has_its_files_and_its_entry_in_the_table_of_tests():
    stems = [path.stem for path in (ROOT / "modeling").glob("*_*.py")]
    for kind in ("configuration_", "modeling_"):
        assert sorted(stem.removeprefix(kind) for stem in stems if stem.startswith(kind)) == sorted(modeling.FAMILIES)
    assert sorted(family.name for family in FAMILIES) == sorted(modeling.FAMILIES)
    for name, family in zip(modeling.FAMILIES, sorted(FAMILIES, key=lambda family: family.name), strict=True):
        own = importlib.import_module(f"wordemb_hf.modeling.modeling_{name}").AUTO_CLASSES
        assert own is family.auto_classes


def test_every_tokenizer_is_in_the_table():
    defined = {
        node.name: path.stem
        for path in (ROOT / "tokenization").glob("tokenization_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    assert defined == tokenization.TOKENIZERS


# The tree in the README


def tree_of(readme: str) -> set[str]:
    """The files and folders (with a slash at the end) of the block that begins with `wordemb-hf/`.

    Below it, two names may share a line, and a phrase follows them; how far a line is indented says whose it is.
    """
    block = re.search(r"^```\w*\nwordemb-hf/.*\n((?:(?!```).*\n)+)```", readme, re.MULTILINE)
    assert block, "no fenced block begins with the line wordemb-hf/"
    found, folders = set(), []  # the folders that are open, each with its indentation
    for line in block[1].splitlines():
        plain = re.sub(r"[│├└─|]", " ", line)
        indent = len(plain) - len(plain.lstrip())
        folders = [(depth, name) for depth, name in folders if depth < indent]
        home = "".join(name for _, name in folders)
        for name in re.split(r"\s{2,}", plain.strip())[0].split():
            if not re.fullmatch(r"[\w./-]*(/|\.\w+)|LICENSE", name):
                break  # the phrase begins here
            found.add(home + name)
            if name.endswith("/"):
                folders.append((indent, name))
    return found


def test_a_tree_is_read_by_its_indentation():
    readme = textwrap.dedent(
        """
        ```text
        wordemb-hf/
          setup.py              what it needs
          LICENSE
          wordemb_hf/           stays at home, see a.py
            cli.py __main__.py  the verbs, e.g. pretrain
            vectors/
              queries.py        nearest
          modeling/
        ├── crf.py
        ```
        """
    )
    assert tree_of(readme) == {
        *("setup.py", "LICENSE", "wordemb_hf/", "wordemb_hf/cli.py", "wordemb_hf/__main__.py", "wordemb_hf/vectors/"),
        *("wordemb_hf/vectors/queries.py", "modeling/", "modeling/crf.py"),
    }


def test_the_tree_in_the_readme_names_every_file_and_no_other():
    named = tree_of((ROOT / "README.md").read_text(encoding="utf-8"))
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]
    modules = [
        path.relative_to(ROOT).as_posix()
        for folder in ("wordemb_hf", "modeling", "tokenization", "scripts")
        for path in (ROOT / folder).rglob("*.py")
    ]
    for module in modules:
        # Its folder, or anything inside, speaks for an __init__.py.
        home = module.removesuffix("__init__.py")
        assert module in named or (home != module and any(name.startswith(home) for name in named)), module


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_imports_of_the_package_is_there(path):
    """Nobody runs them all after each change."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "wordemb_hf":
            try:
                module = importlib.import_module(node.module)
            except ImportError as error:  # Numba or Triton is not installed
                pytest.skip(str(error))
            missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            assert not [name for name in missing if not importlib.util.find_spec(f"{node.module}.{name}")]
