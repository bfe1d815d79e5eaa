"""What a model folder brings to a repository: which files, under which names, and with which `auto_map`."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from .errors import UserError
from .model_card import FACTS_FILE, ModelCardFacts, read_card_facts, render_card
from .pickles import is_pickle

# path in the repository -> where its content is, or the content
Files = dict[str, Path | bytes]

# What runs leave for themselves.
_STAYS = {"checkpoints", "__pycache__", FACTS_FILE}
# For SentenceTransformer(repo), as its version 6.2 reads it: one module, whose answer is the family's own pooling.
_SENTENCE_TRANSFORMERS = {
    "modules.json": [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}],
    "sentence_bert_config.json": {
        "transformer_task": "feature-extraction",
        "modality_config": {"text": {"method": "forward", "method_output_name": "pooler_output"}},
        "module_output_name": "sentence_embedding",
    },
}
_CONFIGS = ("config.json", "tokenizer_config.json")


def gather_files(
    folder: Path, repo: str, head: str | None, code_repo: str | None, card_language: str | None
) -> tuple[Files, str]:
    """The files of a model folder as they lie in a repository.

    Args:
        folder: the folder, which may have heads in `heads/`.
        repo: the repository's name, for the card.
        head: under which name it is to be a head of the repository, if at all.
        code_repo: `org/code` or `org/code@revision`, where the code is; by default it goes along.
        card_language: of the card; by default the one that it was written in.

    Returns:
        The files, and the type of the model.

    Raises:
        UserError: for a folder that is no model's or lacks code, or holds a pickle.
    """
    places = {folder: f"heads/{head}/" if head else ""}
    if head is None and (folder / "heads").is_dir():
        places |= {child: f"heads/{child.name}/" for child in sorted((folder / "heads").iterdir()) if child.is_dir()}
    files: Files = {}
    code: dict[str, Path] = {}
    types = {}
    for place, prefix in places.items():
        config = _read_config(place)
        types[place] = str(config.get("model_type", ""))
        for path in _files_of(place, without=set(places) - {place}):
            name = path.relative_to(place).as_posix()
            if path.suffix == ".py" and "/" not in name:
                _add_code(code, path)
            else:
                files[prefix + name] = path
    pickles = [path for path in map(_path, [*files.values(), *code.values()]) if is_pickle(path)]
    if pickles:
        raise UserError(f"{pickles[0]} is or holds a pickle, which runs code when it is read: take it out")
    for place, prefix in places.items():
        _check_code(place, code)
        heads = [child.name for child in places if child != folder] if place == folder else []
        base = repo if prefix else None
        card = _card(place, repo, prefix.rstrip("/") or None, base, heads, code_repo, card_language)
        files[f"{prefix}README.md"] = card.encode()
        if code_repo is not None:
            files |= {f"{prefix}{name}": _elsewhere(place / name, code_repo) for name in _maps_of(place)}
    if head is None and types[folder].startswith("wordemb_") and "modules.json" not in files:
        files |= {name: (json.dumps(value, indent=2) + "\n").encode() for name, value in _SENTENCE_TRANSFORMERS.items()}
    return files | ({} if code_repo else dict(code)), types[folder]


def code_of(files: Files) -> dict[str, bytes]:
    """The code files among files: name -> content."""
    return {name: _path(path).read_bytes() for name, path in files.items() if "/" not in name and name.endswith(".py")}


def modules_of(folder: Path) -> set[str]:
    """The code files that the `auto_map`s of a folder's model and tokenizer name."""
    maps = [reference for name in _maps_of(folder) for reference in _references(json.loads(_text(folder / name)))]
    return {f"{reference.split('.')[0]}.py" for reference in maps if "--" not in reference}


def _path(value: Path | bytes) -> Path:
    assert isinstance(value, Path)
    return value


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _files_of(folder: Path, without: set[Path]) -> Iterator[Path]:
    """All files of a folder, without hidden ones, what stays at home, and the folders of heads."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _STAYS or path in without:
            continue
        if path.is_dir():
            yield from _files_of(path, without)
        elif path.is_file():
            yield path


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads(_text(folder / "config.json"))
    except OSError as error:
        raise UserError(f"{folder} is no model folder: it has no config.json") from error
    except ValueError as error:
        raise UserError(f"{folder / 'config.json'} is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{folder / 'config.json'} must hold the fields of a config")
    if not any(folder.glob("*.safetensors")):
        raise UserError(f"{folder} has no weights as safetensors: save the model with save_pretrained")
    if str(config.get("model_type", "")).startswith("wordemb_") and not config.get("auto_map"):
        raise UserError(f"{folder / 'config.json'} has no auto_map: save the model with its own save_pretrained")
    return config


def _add_code(code: dict[str, Path], path: Path) -> None:
    """Add a code file to those of the root, which all heads share."""
    other = code.setdefault(path.name, path)
    if other != path and other.read_bytes() != path.read_bytes():
        raise UserError(f"{other} and {path} differ, but share a place in the repository: save both models anew")


def _check_code(folder: Path, code: dict[str, Path]) -> None:
    """Whether the code that the folder calls for is whole."""
    waiting, seen = sorted(modules_of(folder)), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name not in code:
            raise UserError(f"{folder} lacks {name}, which its auto_map calls for: save the model with save_pretrained")
        try:
            tree = ast.parse(_text(code[name]))
        except (SyntaxError, ValueError) as error:
            raise UserError(f"{code[name]} is no Python: {error}") from error
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1]
        waiting += [f"{node.module}.py" for node in imports if node.module]


def _maps_of(folder: Path) -> list[str]:
    """The files of a folder that may hold an `auto_map`."""
    return [name for name in _CONFIGS if (folder / name).is_file()]


def _references(config: Any) -> list[str]:
    """Every `module.Class` of an `auto_map`; that of a tokenizer is a pair."""
    table = config.get("auto_map") if isinstance(config, dict) else None
    found = []
    for value in (table or {}).values():
        found += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    return found


def _elsewhere(path: Path, code_repo: str) -> bytes:
    """The config with an `auto_map` that names another repository."""
    repo = code_repo.split("@")[0]

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(one) for one in value]
        return f"{repo}--{value.split('--')[-1]}" if isinstance(value, str) else value

    config = json.loads(_text(path))
    if not _references(config):
        return path.read_bytes()
    config["auto_map"] = {name: moved(value) for name, value in config["auto_map"].items()}
    return (json.dumps(config, ensure_ascii=False, indent=2) + "\n").encode()


def _card(
    folder: Path,
    repo: str,
    subfolder: str | None,
    base: str | None,
    heads: list[str],
    code_repo: str | None,
    card_language: str | None,
) -> str:
    """The card with the repository's name: written anew from its facts, or the user's own with the name put in."""
    facts = read_card_facts(folder)
    if facts is None and (folder / "README.md").is_file():
        if card_language is not None:
            raise UserError(f"{folder / 'README.md'} was edited or comes from elsewhere: leave --card-language out")
        named = json.dumps(repo, ensure_ascii=False)
        text = _text(folder / "README.md")
        return re.sub(r'^repo = ".*?"(?=  #|$)', lambda match: f"repo = {named}", text, flags=re.M)
    facts = facts or _facts_of(folder)
    code, _, code_revision = (code_repo or "").partition("@")
    known = facts.base_model or []
    return render_card(
        replace(
            facts,
            model_name=repo,
            subfolder=subfolder,
            base_model=[*dict.fromkeys([*([base] if base else []), *([known] if isinstance(known, str) else known)])]
            or None,
            heads=heads,
            code_repo=code or None,
            code_revision=code_revision or None,
            card_language=card_language or facts.card_language,
        )
    )


# Ending of a class's name -> the Auto class and the pipeline.
_TASKS = {
    "ForSequenceClassification": ("AutoModelForSequenceClassification", "text-classification"),
    "ForTokenClassification": ("AutoModelForTokenClassification", "token-classification"),
    "ForCausalLM": ("AutoModelForCausalLM", "text-generation"),
    "ForMaskedLM": ("AutoModelForMaskedLM", "fill-mask"),
    "ForConditionalGeneration": ("AutoModelForSeq2SeqLM", None),
}


def _facts_of(folder: Path) -> ModelCardFacts:
    """What a folder without a card tells of itself."""
    from safetensors import SafetensorError, safe_open

    config = _read_config(folder)
    architecture = str((config.get("architectures") or [""])[0])
    tasks = [task for ending, task in _TASKS.items() if architecture.endswith(ending)]
    weights = sorted(folder.glob("*.safetensors"))
    count = 0
    for path in weights:
        try:
            with safe_open(path, framework="numpy") as tensors:
                for name in tensors.keys():  # noqa: SIM118
                    size = 1
                    for length in tensors.get_slice(name).get_shape():
                        size *= length
                    count += size
        except SafetensorError as error:
            raise UserError(f"{path} cannot be read: {error}") from error
    auto_class, pipeline_tag = tasks[0] if tasks else ("AutoModel", "feature-extraction")
    labels = config.get("id2label")
    return ModelCardFacts(
        model_name=folder.name,
        family=str(config.get("model_type", "")),
        auto_class=auto_class,
        pipeline_tag=pipeline_tag,
        num_parameters=count,
        file_size_bytes=sum(path.stat().st_size for path in weights),
        vocab_size=config.get("vocab_size"),
        labels=[str(label) for label in labels.values()] if isinstance(labels, dict) and tasks else None,
    )
