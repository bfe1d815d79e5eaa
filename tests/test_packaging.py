"""What is shipped is whole: the wheel, the wheel from the sdist, and a program that has only the wheel."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"wordemb_hf": "wordemb_hf", "modeling": "wordemb_hf/modeling", "tokenization": "wordemb_hf/tokenization"}

pytestmark = pytest.mark.slow


def run(*command: object, folder: Path, **environment: str) -> str:
    """Run a command, and show all it printed where it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def build(kind: str, tree: Path) -> Path:
    run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", tree / "out", folder=tree)
    return next((tree / "out").glob("*.whl" if kind == "wheel" else "*.tar.gz"))


def contents(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of what is packaged, so that building leaves nothing in the project."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def wheel(tree) -> Path:
    return build("wheel", tree)


def test_the_wheel_holds_every_file_in_its_place(wheel, tree):
    files = {
        f"{place}/{path.relative_to(tree / folder).as_posix()}"
        for folder, place in PACKAGES.items()
        for path in (tree / folder).rglob("*")
        if path.is_file()
    }
    metadata = {name for name in contents(wheel) if ".dist-info/" in name}
    assert contents(wheel) - metadata == files
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= {name.split("/", 1)[1] for name in metadata}


def test_the_sdist_makes_the_same_wheel(wheel, tree, tmp_path):
    shutil.unpack_archive(build("sdist", tree), tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    assert contents(build("wheel", unpacked)) == contents(wheel)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The folder of programs of a fresh environment that holds the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", "venv", folder=folder)
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", scripts / "python"]
    run(*pip, "install", "--no-deps", "--no-index", wheel, folder=folder)
    # The packages that this test runs with, but not its own wordemb_hf: Python reads no .pth file, and so no editable
    # install, in a folder that it knows from a .pth file.
    site = run(scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder)
    Path(site, "present.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return scripts


def test_a_program_with_the_wheel_alone_loads_a_saved_model(installed, tmp_path):
    from wordemb_hf.modeling import TextCNNConfig, TextCNNForSequenceClassification

    saved = tmp_path / "saved"
    TextCNNForSequenceClassification(TextCNNConfig(vocab_size=50)).save_pretrained(saved)
    program = (
        "import sys, wordemb_hf\n"
        "from transformers import AutoModelForSequenceClassification\n"
        "model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1])\n"
        "print(wordemb_hf.__file__, type(model).__module__, type(model).__name__, sep='\\n')\n"
    )
    printed = run(installed / "python", "-c", program, saved, folder=tmp_path, HF_HUB_OFFLINE="1").splitlines()
    assert Path(printed[-3]).is_relative_to(installed.parent)
    assert printed[-2:] == ["wordemb_hf.modeling.modeling_textcnn", "TextCNNForSequenceClassification"]


def test_the_command_is_installed(installed, tmp_path):
    assert "pretrain" in run(installed / "wordemb-hf", "--help", folder=tmp_path)
