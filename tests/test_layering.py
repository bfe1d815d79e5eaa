"""Who may import whom, read from the syntax tree: what travels to the Hub stands alone, and layers point one way."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("modeling", "tokenization", "wordemb_hf", "scripts", "benchmarks", "tests")


@dataclass(frozen=True)
class Import:
    """One imported thing: `from a.b import c` is module `a.b` and name `c`, `import a.b` has no name."""

    line: int
    module: str  # absolute, as installed: `.crf` in modeling/ is `wordemb_hf.modeling.crf`
    name: str = ""
    level: int = 0

    def reaches(self, *targets: str) -> bool:
        """Whether this imports one of the modules, something inside one, or a name out of one."""
        found = (self.module, f"{self.module}.{self.name}")
        return any(path == target or path.startswith(target + ".") for path in found for target in targets)


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root, and its text."""

    path: str
    text: str

    @property
    def folder(self) -> str:
        return PurePosixPath(self.path).parts[0]

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).stem

    @property
    def travels(self) -> bool:
        return self.folder in ("modeling", "tokenization")

    @property
    def is_block(self) -> bool:
        kinds = ("modeling_", "configuration_", "pipeline_", "__init__")
        return self.folder == "modeling" and not self.stem.startswith(kinds)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(self._imports())

    def _imports(self) -> Iterator[Import]:
        package = PurePosixPath("wordemb_hf", self.path) if self.travels else PurePosixPath(self.path)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(node.lineno, alias.name)
            elif isinstance(node, ast.ImportFrom):
                base = package.parts[: -node.level] if node.level else ()
                module = ".".join([*base, *([node.module] if node.module else [])])
                for alias in node.names:
                    yield Import(node.lineno, module, alias.name, node.level)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
                # Only a name written out can be checked; the lazy tables in the __init__ files are made of variables.
                name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
                if isinstance(name, str):
                    level = len(name) - len(name.lstrip("."))
                    yield Import(node.lineno, ".".join([*(package.parts[:-level] if level else ()), name.lstrip(".")]))


Problems = Iterator[tuple[Source, int, str]]


def travelling_files_stand_alone(sources: list[Source]) -> Problems:
    """What lies in a Hub repo runs where only torch and transformers are installed."""
    strangers = ("wordemb_hf", "modeling", "tokenization", "accelerate", "datasets", "evaluate")
    for source in filter(lambda source: source.travels, sources):
        for found in source.imports:
            if not found.level and found.reaches(*strangers):
                yield source, found.line, f"imports {found.module}"


def the_two_folders_stand_apart(sources: list[Source]) -> Problems:
    """A tokenizer's repo need not hold models, nor the other way round."""
    other = {"modeling": "wordemb_hf.tokenization", "tokenization": "wordemb_hf.modeling"}
    for source in filter(lambda source: source.travels, sources):
        for found in source.imports:
            if found.reaches(other[source.folder]):
                yield source, found.line, f"imports {found.module}"


def relative_imports_name_a_sibling(sources: list[Source]) -> Problems:
    """transformers copies what `from .sibling import Name` names, and nothing else."""
    for source in filter(lambda source: source.travels, sources):
        home = f"wordemb_hf.{source.folder}"
        for found in source.imports:
            sibling = found.module.removeprefix(home + ".")
            if found.level and (found.module == home or not found.reaches(home) or "." in sibling):
                yield source, found.line, "write `from .sibling import Name`"
            if found.name == "*":
                yield source, found.line, "imports *"


def the_copier_reads_what_python_reads(sources: list[Source]) -> Problems:
    """transformers finds relative imports by regular expression, in docstrings as well."""
    for source in filter(lambda source: source.travels, sources):
        copied = {
            source.text.count("\n", 0, match.start(1)) + 1
            for match in re.finditer(r"^[^\S\n]*(from\s+\.\S+\s+import|import\s+\.\S+)", source.text, re.MULTILINE)
        }
        begun = {number for number, line in enumerate(source.text.split("\n"), 1) if re.match(r"\s*from \.", line)}
        real = {found.line for found in source.imports if found.level}
        for line in sorted((copied | begun) - real):
            yield source, line, "a line of text that reads like a relative import"
        for line in sorted(real - copied):
            yield source, line, "a relative import that the copier does not see"


def families_stand_apart(sources: list[Source]) -> Problems:
    """A family is one configuration file and one modeling file; what two families share is a block."""
    for source in sources:
        kind, _, family = source.stem.partition("_")
        if source.folder != "modeling" or kind not in ("modeling", "configuration") or not family:
            continue
        for found in source.imports:
            if found.reaches("wordemb_hf.modeling"):
                sibling = found.module.rpartition(".")[2]
                if sibling.startswith(("modeling_", "configuration_")) and sibling != f"configuration_{family}":
                    yield source, found.line, f"imports {sibling}"


def blocks_know_no_configuration(sources: list[Source]) -> Problems:
    """Tensor shapes and plain keyword arguments specify a block; models read configs."""
    readers = ("heads", "crf_head", "generation_head", "hub_ready", "transformer_settings")
    for source in filter(lambda source: source.is_block, sources):
        for found in source.imports:
            sibling = found.module.rpartition(".")[2] if found.reaches("wordemb_hf.modeling") else ""
            if sibling.startswith(("modeling_", "configuration_")):
                yield source, found.line, f"imports {sibling}"
            elif source.stem not in readers and (sibling == "heads" or found.name.endswith("Config")):
                yield source, found.line, f"imports {found.name}"
        if source.stem in readers:
            continue
        for node in ast.walk(source.tree):
            name = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "arg", None)
            if name == "config":
                yield source, node.lineno, "names `config`"


def configurations_need_no_torch(sources: list[Source]) -> Problems:
    """Reading a config must not wait for torch."""
    for source in sources:
        if source.folder == "modeling" and source.stem.startswith(("configuration_", "transformer_settings")):
            for found in source.imports:
                if found.reaches("torch"):
                    yield source, found.line, f"imports {found.module}"


def vectors_need_no_model(sources: list[Source]) -> Problems:
    """Static vectors are usable where no model is."""
    for source in sources:
        if source.path.startswith("wordemb_hf/vectors/") or source.path == "wordemb_hf/vectors.py":
            for found in source.imports:
                of_transformers = found.reaches("transformers") and found.name.startswith(
                    ("AutoModel", "PreTrainedModel")
                )
                if found.reaches("wordemb_hf.modeling", "torch.nn") or of_transformers:
                    yield source, found.line, f"imports {found.module}"


def objectives_and_tasks_know_no_concrete_model(sources: list[Source]) -> Problems:
    """A batch is made for every family alike; a model comes from an Auto class."""
    for source in sources:
        if source.path.startswith(("wordemb_hf/objectives", "wordemb_hf/tasks")):
            for found in source.imports:
                path = f"{found.module}.{found.name}"
                if re.match(r"wordemb_hf\.modeling(\.?$|\.(modeling_|configuration_|[A-Z*]))", path):
                    yield source, found.line, f"imports {path}"


def pieces_know_no_verb(sources: list[Source]) -> Problems:
    """A verb is made of pieces; a piece that calls a verb closes a circle."""
    pieces = {"batching", "corpus", "folders", "registration", "vocabulary", "vectors", "objectives", "tasks"}
    pieces |= {"optimization", "training", "word2vec", "evaluation", "hub", "model_card"}
    verbs = [f"wordemb_hf.{verb}" for verb in ("comparison", "contextual", "finetuning", "prediction", "pretraining")]
    for source in sources:
        parts = PurePosixPath(source.path).with_suffix("").parts
        if parts[0] == "wordemb_hf" and parts[1] in pieces:
            for found in source.imports:
                if found.reaches(*verbs):
                    yield source, found.line, f"imports {found.module}"


def nothing_imports_the_command_line(sources: list[Source]) -> Problems:
    """The command line calls the verbs; whoever needs a verb calls its function."""
    for source in sources:
        if source.path != "wordemb_hf/__main__.py" and source.folder not in ("scripts", "tests"):
            for found in source.imports:
                if found.reaches("wordemb_hf.cli"):
                    yield source, found.line, "imports the command line"


def names_are_unique_in_a_hub_repo(sources: list[Source]) -> Problems:
    """Both folders are copied flat into one repo, where the second file of a name would replace the first."""
    models = {source.stem for source in sources if source.folder == "modeling"} - {"__init__"}
    for source in sources:
        if source.folder == "tokenization" and source.stem in models:
            yield source, 1, f"modeling/{source.stem}.py has the same name"


def nothing_is_pickled(sources: list[Source]) -> Problems:
    """A pickle runs what its author wrote; weights are safetensors."""
    modules = ("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal")
    for source in sources:
        if source.folder == "tests":
            continue
        for found in source.imports:
            if found.reaches(*modules, "torch.load", "torch.save"):
                yield source, found.line, f"imports {found.module}"
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.save"):
                yield source, node.lineno, ast.unparse(node)
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
                yield source, node.value.lineno, "allow_pickle"


# Each rule, with small sources that break it in every way it knows, and some that come close and are right.
RULES: dict[Callable[[list[Source]], Problems], tuple[list[dict[str, str]], list[dict[str, str]]]] = {
    travelling_files_stand_alone: (
        [
            {"modeling/crf.py": "import wordemb_hf"},
            {"modeling/crf.py": "from wordemb_hf.corpus import read"},
            {"modeling/crf.py": "from wordemb_hf.modeling.pooling import Pooling"},
            {"modeling/crf.py": "def f():\n    from modeling.pooling import Pooling"},
            {"tokenization/ngrams.py": "import datasets"},
            {"tokenization/ngrams.py": "if True:\n    from accelerate.utils import set_seed"},
            {"modeling/crf.py": "import evaluate as e"},
            {"modeling/crf.py": "importlib.import_module('accelerate')"},
        ],
        [
            {"modeling/crf.py": "import torch\nfrom transformers import PreTrainedModel\nfrom .pooling import Pooling"},
            {"wordemb_hf/training.py": "import accelerate, datasets, evaluate"},
        ],
    ),
    the_two_folders_stand_apart: (
        [
            {"modeling/crf.py": "from ..tokenization.ngrams import hashes"},
            {"modeling/crf.py": "from wordemb_hf import tokenization"},
            {"tokenization/ngrams.py": "import wordemb_hf.modeling.crf"},
        ],
        [
            {"tokenization/tokenization_x.py": "from .ngrams import hashes"},
            {"wordemb_hf/a.py": "from . import modeling"},
        ],
    ),
    relative_imports_name_a_sibling: (
        [
            {"modeling/a.py": "from . import crf"},
            {"modeling/a.py": "from .. import corpus"},
            {"modeling/a.py": "from ..corpus import read"},
            {"modeling/a.py": "from .blocks.crf import CRF"},
            {"tokenization/a.py": "from .ngrams import *"},
            {"tokenization/a.py": "from torch import *"},
        ],
        [{"modeling/a.py": "from .crf import CRF, decode as d"}, {"wordemb_hf/a.py": "from . import corpus"}],
    ),
    the_copier_reads_what_python_reads: (
        [
            {"modeling/a.py": '"""A module.\n\nfrom .crf import CRF\n"""'},
            {"modeling/a.py": 'def f():\n    """Take it\n    from .crf as it is."""'},
            {"tokenization/a.py": '"""\nimport .ngrams\n"""'},
            {"tokenization/a.py": "from .ngrams \\\n    import hashes\nx = 1; from .b import c"},
            {"modeling/a.py": "x = 1; from .crf import CRF"},
        ],
        [
            {"modeling/a.py": '"""It comes from .crf here."""\nfrom .crf import (\n    CRF,\n)'},
            {"modeling/a.py": "def f():\n    from .crf import CRF"},
        ],
    ),
    families_stand_apart: (
        [
            {"modeling/modeling_rnn.py": "from .modeling_bilstm import BiLSTMModel"},
            {"modeling/modeling_rnn.py": "from .configuration_bilstm import BiLSTMConfig"},
            {"modeling/configuration_rnn.py": "from .configuration_bilstm import BiLSTMConfig"},
        ],
        [{"modeling/modeling_rnn.py": "from .configuration_rnn import RNNConfig\nfrom .recurrent import Stack"}],
    ),
    blocks_know_no_configuration: (
        [
            {"modeling/crf.py": "from .configuration_rnn import RNNConfig"},
            {"modeling/heads.py": "from .configuration_rnn import RNNConfig"},
            {"modeling/crf.py": "from .modeling_rnn import RNNModel"},
            {"modeling/crf.py": "from .heads import Head"},
            {"modeling/crf.py": "from transformers import PreTrainedConfig"},
            {"modeling/crf.py": "def f(config): pass"},
            {"modeling/crf.py": "width = config.hidden_size"},
            {"modeling/crf.py": "width = self.config.hidden_size"},
            {"modeling/crf.py": "f(config=None)"},
        ],
        [
            {"modeling/heads.py": "width = self.config.hidden_size"},
            {"modeling/crf_head.py": "from .heads import TokenClassificationHead\nwidth = config.hidden_size"},
            {"modeling/hub_ready.py": "self.config.auto_map = {}"},
            {"modeling/modeling_rnn.py": "width = config.hidden_size"},
            {"modeling/crf.py": "from .pooling import Pooling\n'''the config'''"},
        ],
    ),
    configurations_need_no_torch: (
        [
            {"modeling/configuration_rnn.py": "import torch.nn as nn"},
            {"modeling/configuration_rnn.py": "from torch import nn"},
        ],
        [
            {"modeling/configuration_rnn.py": "from transformers import PreTrainedConfig"},
            {"modeling/crf.py": "import torch"},
        ],
    ),
    vectors_need_no_model: (
        [
            {"wordemb_hf/vectors/glove.py": "from torch import nn"},
            {"wordemb_hf/vectors/glove.py": "from transformers import AutoModel"},
            {"wordemb_hf/vectors/__init__.py": "from ..modeling import Word2VecModel"},
        ],
        [{"wordemb_hf/vectors/glove.py": "import numpy\nfrom transformers import AutoTokenizer"}],
    ),
    objectives_and_tasks_know_no_concrete_model: (
        [
            {"wordemb_hf/tasks/tagging.py": "from ..modeling.modeling_rnn import RNNModel"},
            {"wordemb_hf/tasks/tagging.py": "from wordemb_hf.modeling import RNNModel"},
            {"wordemb_hf/objectives/causal.py": "import wordemb_hf.modeling"},
            {"wordemb_hf/objectives/causal.py": "from ..modeling import modeling_rnn"},
            {"wordemb_hf/objectives/causal.py": "from .. import modeling"},
        ],
        [
            {"wordemb_hf/tasks/tagging.py": "from transformers import AutoModelForTokenClassification"},
            {"wordemb_hf/tasks/tagging.py": "from ..modeling.crf import IGNORED"},
        ],
    ),
    pieces_know_no_verb: (
        [
            {"wordemb_hf/training.py": "from .pretraining import pretrain"},
            {"wordemb_hf/word2vec/driver.py": "from .. import finetuning"},
        ],
        [
            {"wordemb_hf/pretraining.py": "from .training import train"},
            {"wordemb_hf/cli.py": "from . import pretraining"},
        ],
    ),
    nothing_imports_the_command_line: (
        [
            {"wordemb_hf/pretraining.py": "from .cli import app"},
            {"wordemb_hf/pretraining.py": "from . import cli"},
            {"benchmarks/speed.py": "import wordemb_hf.cli"},
        ],
        [{"wordemb_hf/__main__.py": "from .cli import main"}, {"wordemb_hf/a.py": "from .clients import x"}],
    ),
    names_are_unique_in_a_hub_repo: (
        [{"modeling/characters.py": "", "tokenization/characters.py": ""}],
        [{"modeling/__init__.py": "", "tokenization/__init__.py": "", "wordemb_hf/crf.py": "", "modeling/crf.py": ""}],
    ),
    nothing_is_pickled: (
        [
            {"wordemb_hf/vectors/gensim.py": "import pickle"},
            {"wordemb_hf/vectors/gensim.py": "from pickle import load"},
            {"wordemb_hf/hub.py": "import torch\ntorch.load('x')"},
            {"scripts/a.py": "from torch import load"},
            {"benchmarks/a.py": "numpy.load('x', allow_pickle=True)"},
        ],
        [
            {"tests/a.py": "import pickle"},
            {"wordemb_hf/a.py": "numpy.load('x', allow_pickle=False)\nsafetensors.torch.load(b'')"},
        ],
    ),
}

rules = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


def complaints(rule: Callable[[list[Source]], Problems], sources: list[Source]) -> list[str]:
    return [f"{source.path}:{line}: [{rule.__name__}] {problem}" for source, line, problem in rule(sources)]


@pytest.fixture(scope="module")
def project() -> list[Source]:
    paths = [ROOT / "setup.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


@rules
def test_the_project_keeps_the_rule(rule, project):
    found = complaints(rule, project)
    assert not found, "\n".join(["", rule.__doc__, *found])


@rules
def test_the_rule_sees_what_breaks_it_and_only_that(rule):
    bad, good = RULES[rule]
    for case in bad:
        assert complaints(rule, [Source(*item) for item in case.items()]), f"not seen: {case}"
    for case in good:
        assert not complaints(rule, [Source(*item) for item in case.items()])


def test_the_project_is_found(project):
    assert {"modeling", "tokenization", "wordemb_hf", "scripts", "tests"} <= {source.folder for source in project}
