"""What a folder brings to a repository, and what never leaves: found at home, before anything is sent."""

import gzip
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from wordemb_hf import UserError, push
from wordemb_hf.folders import place_for
from wordemb_hf.hub_files import gather_files
from wordemb_hf.loading import place_of
from wordemb_hf.model_card import ModelCardFacts, write_model_card
from wordemb_hf.pickles import is_pickle
from wordemb_hf.vocabulary import build_tokenizer

from .models import FAMILIES, Case


def save(folder: Path, family: str = "textcnn", auto_class: str = "AutoModelForSequenceClassification") -> Path:
    found = next(one for one in FAMILIES if one.name == family)
    Case(found, next(iter(found.variants)), auto_class).model().save_pretrained(folder)
    build_tokenizer(["the cat sat"], min_count=1).save_pretrained(folder)
    facts = ModelCardFacts(model_name=folder.name, family=family, auto_class=auto_class, num_parameters=3)
    write_model_card(folder, facts)
    return folder


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path / "model")


@pytest.fixture
def with_heads(tmp_path):
    folder = save(tmp_path / "backbone", "word2vec", "AutoModel")
    save(folder / "heads" / "topic")
    save(folder / "heads" / "names", "bilstm", "AutoModelForTokenClassification")
    return folder


def gathered(folder, **options):
    files, _ = gather_files(folder, "you/it", **{"head": None, "code_repo": None, "card_language": None} | options)
    return {path: value.read_bytes() if isinstance(value, Path) else value for path, value in files.items()}


def repo_lines(card: bytes) -> list[str]:
    return [line.split("  #")[0] for line in card.decode().splitlines() if line.startswith("repo = ")]


def refused(folder, repo="you/it", **options) -> str:
    """The sentence with which a push ends before it asks any server."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} if folder.is_dir() else {}
    with pytest.raises(UserError) as raised:
        push(folder, repo, **options)
    assert before == ({path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} if before else {})
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_folder_goes_as_it_is_but_for_the_card(folder):
    (folder / ".git").mkdir()
    (folder / ".git" / "config").touch()
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "optimizer.bin").write_bytes(pickle.dumps({}))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text("{}")
    files = gathered(folder)
    there = {path.name for path in folder.iterdir() if path.is_file()} - {"card.json"}
    added = {"modules.json", "sentence_bert_config.json"}
    assert set(files) == there | added | {"1_Pooling/config.json"}
    assert all(files[path] == (folder / path).read_bytes() for path in there - {"README.md"})
    assert repo_lines(files["README.md"]) == ['repo = "you/it"'] * 2
    assert repo_lines((folder / "README.md").read_bytes()) == ['repo = "model"'] * 2


def test_heads_have_their_folders_and_share_the_code_of_the_root(with_heads):
    files = gathered(with_heads)
    code = {path for path in files if path.endswith(".py")}
    assert {"modeling_word2vec.py", "modeling_textcnn.py", "modeling_bilstm.py", "crf.py"} <= code
    assert not any("/" in path for path in code)
    for head in ("topic", "names"):
        names = {path.removeprefix(f"heads/{head}/") for path in files if path.startswith(f"heads/{head}/")}
        assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
        card = files[f"heads/{head}/README.md"].decode()
        assert "base_model:\n- you/it\n" in card and "base_model_relation: finetune\n" in card
        assert f'from_pretrained(repo, subfolder="heads/{head}"' in card
        assert f"[{head}](heads/{head}/README.md)" in files["README.md"].decode()


def test_a_head_alone_goes_beside_what_is_there(folder):
    files = gathered(folder, head="topic")
    assert all(path.startswith("heads/topic/") or path.endswith(".py") for path in files)
    assert {"heads/topic/config.json", "heads/topic/README.md", "modeling_textcnn.py", "hub_ready.py"} <= set(files)


def test_code_of_another_repository_is_named_and_none_is_sent(with_heads):
    files = gathered(with_heads, code_repo="org/code@v1")
    assert not [path for path in files if path.endswith(".py")]
    for prefix in ("", "heads/topic/"):
        config = json.loads(files[f"{prefix}config.json"])
        local = json.loads((with_heads / prefix / "config.json").read_text())
        assert config["auto_map"] == {name: f"org/code--{value}" for name, value in local.pop("auto_map").items()}
        config.pop("auto_map")
        assert config == local
    card = files["README.md"].decode()
    assert 'trust_remote_code=True, code_revision="v1"' in card and "`org/code`" in card


def test_a_tokenizer_with_code_is_named_there_too(folder):
    build_tokenizer(["the cat"], min_count=1, max_characters=9).save_pretrained(folder)
    config = json.loads(gathered(folder, code_repo="org/code")["tokenizer_config.json"])
    classes = [value for value in config["auto_map"]["AutoTokenizer"] if value]
    assert classes and all(value.startswith("org/code--tokenization_char_word.") for value in classes)
    (folder / "character_ids.py").unlink()
    assert "lacks character_ids.py" in refused(folder)


def test_a_card_in_another_language_and_a_card_with_words_of_ones_own(folder):
    assert "## 局限" in gathered(folder, card_language="zh")["README.md"].decode()
    card = (folder / "README.md").read_text(encoding="utf-8") + "\nMine.\n"
    (folder / "README.md").write_text(card, encoding="utf-8")
    assert gathered(folder)["README.md"].decode() == card.replace('repo = "model"', 'repo = "you/it"')
    assert "--card-language" in refused(folder, card_language="zh")


def test_a_folder_without_a_card_gets_one(folder):
    (folder / "README.md").unlink()
    weights = sum(np.prod(value.shape) for value in load_file(folder / "model.safetensors").values())
    card = gathered(folder)["README.md"].decode()
    assert f"{weights:,} parameters" in card and 'pipeline("text-classification", model=repo' in card


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder), "there is no folder"),
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "is no JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "must hold the fields"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no weights as safetensors"),
        (lambda folder: (folder / "pooling.py").unlink(), "lacks pooling.py"),
        (lambda folder: (folder / "modeling_textcnn.py").unlink(), "lacks modeling_textcnn.py"),
        (lambda folder: (folder / "pooling.py").write_text("def"), "is no Python"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "wordemb_bow"}'), "has no auto_map"),
        (lambda folder: (folder / "heads" / "x").mkdir(parents=True), "has no config.json"),
    ],
)
def test_a_folder_that_cannot_be_pushed(folder, damage, sentence):
    damage(folder)
    assert sentence in refused(folder)


def test_models_with_different_code_do_not_share_a_repository(with_heads):
    (with_heads / "heads" / "topic" / "hub_ready.py").write_text("# older\n")
    assert "hub_ready.py differ" in refused(with_heads)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"repo": "a/b/c"}, "repo is 'a/b/c'"),
        ({"repo": ""}, "repo is ''"),
        ({"repo": "you/--it"}, "repo is 'you/--it'"),
        ({"head": "../x"}, "head is '../x'"),
        ({"head": ""}, "head is ''"),
        ({"code_repo": "code"}, "code_repo is 'code'"),
        ({"code_repo": "org/code@"}, "code_repo is 'org/code@'"),
        ({"card_language": "fr"}, "card_language is 'fr'"),
    ],
)
def test_names_that_cannot_be(folder, options, sentence):
    assert refused(folder, **options).startswith(sentence)


def pickles(folder: Path) -> dict[str, Path]:
    """Pickles as they come."""
    folder.mkdir(exist_ok=True)
    objects = np.array([{"a": 1}], dtype=object)
    torch.save({"a": torch.ones(2)}, folder / "by_torch.dat")
    torch.save({"a": torch.ones(2)}, folder / "old_torch.dat", _use_new_zipfile_serialization=False)
    np.save(folder / "objects.npy", objects)
    np.savez(folder / "objects.npz", words=objects)
    for protocol in (2, 3, 4, 5):
        (folder / f"protocol.{protocol}").write_bytes(pickle.dumps([1], protocol=protocol))
    with gzip.open(folder / "packed.gz", "wb") as file:
        file.write(pickle.dumps([1]))
    (folder / "weights.safetensors").write_bytes(pickle.dumps([1]))
    for name in ("training_args.bin", "optimizer.pt", "a.pth", "a.PKL", "a.pickle", "scheduler.bin", "a.joblib"):
        (folder / name).write_bytes(b"")
    with zipfile.ZipFile(folder / "any.zip", "w") as archive:
        archive.writestr("inside.pkl", b"")
    return {path.name: path for path in folder.iterdir()}


def test_every_pickle_is_told_and_nothing_else_is(tmp_path):
    found = pickles(tmp_path / "pickles")
    assert len(found) == 18
    assert [name for name, path in found.items() if not is_pickle(path)] == []
    others = tmp_path / "others"
    others.mkdir()
    np.save(others / "numbers.npy", np.ones((2, 3)))
    np.savez(others / "numbers.npz", a=np.ones(3))
    # The length of the header, 640, begins like a pickle of protocol 2.
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).ljust(640).encode()
    (others / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0\0\0")
    assert (others / "a.safetensors").read_bytes()[:2] == b"\x80\x02"
    assert load_file(others / "a.safetensors")["a"].tolist() == [0.0]
    (others / "vectors.bin").write_bytes(b"2 1\nthe " + b"\x80\x02\x00\x00" + b"cat " + b"\0\0\0\0")
    (others / "model.bin").write_bytes(b"\xba\x16\x4f\x2f\x0c")
    (others / "empty").touch()
    (others / "broken.zip").write_bytes(b"PK\x03\x04 but not really")
    (others / "broken.gz").write_bytes(b"\x1f\x8b but not really")
    (others / "text.txt").write_text("hello", encoding="utf-8")
    assert [path.name for path in others.iterdir() if is_pickle(path)] == []


@pytest.mark.parametrize("place", ["", "sub", "heads/topic"])
def test_a_push_with_a_pickle_is_refused_and_names_it(with_heads, place):
    for name, path in pickles(with_heads.parent / "pickles").items():
        target = with_heads / place / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)
        assert refused(with_heads).startswith(f"{target} is or holds a pickle")
        target.unlink()


def test_names_of_the_hub_with_a_folder_or_a_revision(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a/b/c").mkdir(parents=True)
    assert place_of("a/b/c") == ("a/b/c", {})
    assert place_of("you/it") == ("you/it", {})
    assert place_of("/no/such/folder") == ("/no/such/folder", {})
    assert place_of("you/it/heads/topic") == ("you/it", {"subfolder": "heads/topic"})
    assert place_of("you/it@v1") == ("you/it", {"revision": "v1"})
    assert place_of("you/it/heads/topic@v1") == ("you/it", {"subfolder": "heads/topic", "revision": "v1"})


def test_where_a_head_goes(folder):
    assert place_for(None, "topic", folder) == (folder / "heads" / "topic", folder)
    assert place_for(folder, None, None) == (folder, None)
    for output, head, backbone in (
        (None, None, folder),
        (folder, "topic", folder),
        (None, "a/b", folder),
        (None, "topic", None),
        (None, "topic", "you/it"),
    ):
        with pytest.raises(UserError):
            place_for(output, head, backbone)
