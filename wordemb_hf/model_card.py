"""The model card: a README.md written from what was measured, so that nothing in it can differ from the model.

The metadata (YAML, with `model-index`) is what huggingface_hub makes of `ModelCardData`; the text is a template, either
`model_card.md` or `model_card.zh.md`. The facts lie beside the card in `card.json`, so that a push can write it anew
with the name of the repository in it; that file stays at home.
"""

from __future__ import annotations

import json
import math
import os
import re
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .card_texts import DESCRIPTIONS, METRICS, NO_HUB_METRICS, said
from .errors import UserError
from .messages import LANGUAGES

__all__ = ["FACTS_FILE", "ModelCardFacts", "check_card_language", "read_card_facts", "render_card", "write_model_card"]

FACTS_FILE = "card.json"

TRANSFORMERS_RANGE = ">=5.17,<6"

# Task of transformers' pipelines → the name of the variable in the card's example.
PIPELINES = {
    "text-classification": "classify",
    "token-classification": "tag",
    "fill-mask": "fill",
    "text-generation": "generate",
}


@dataclass(kw_only=True)
class ModelCardFacts:
    """What a card tells. Everything but the first four may be left out, and its section is then left out too."""

    model_name: str
    """The repository (`you/it`) or the folder that the examples load."""
    family: str
    """`textcnn`, `word2vec`, …"""
    auto_class: str
    """The Auto class that loads the model: `AutoModelForSequenceClassification`."""
    num_parameters: int

    pipeline_tag: str | None = None
    """Task of transformers' pipelines, `feature-extraction` for a backbone, None where there is no pipeline."""
    language: str | None = None
    """`en` or `zh`."""
    license: str | None = "apache-2.0"
    description: str | None = None
    """A paragraph (Markdown) on the family and its paper; by default that of `DESCRIPTIONS`."""
    base_model: str | list[str] | None = None
    """The Hub's name of what it was fine-tuned from."""
    teacher: str | None = None
    """What it was distilled from."""
    heads: list[str] = field(default_factory=list)
    """Names of the fine-tuned heads beside a backbone."""
    subfolder: str | None = None
    """For a head beside its backbone: its folder in the repository."""
    code_repo: str | None = None
    """The repository that holds the code, where it is another one."""
    code_revision: str | None = None
    card_language: str = "en"
    """What the card is written in: `en` or `zh`."""
    file_size_bytes: int | None = None
    vocab_size: int | None = None
    labels: list[str] | None = None
    problem_type: str | None = None
    """What a classifier answers, in transformers' words: one label, several, or a number."""
    dataset_name: str | None = None
    dataset_id: str | None = None
    """The data's name on the Hub, when it is there."""
    dataset_sizes: dict[str, int] = field(default_factory=dict)
    """Split → number of texts."""
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    """Split → metric → value: `{"test": {"accuracy": 0.91, "macro_f1": 0.90}}`."""
    types: dict[str, dict[str, float]] = field(default_factory=dict)
    """Type of span, or tag → metric → value, on the split `test`, else on the last of `metrics`."""
    baseline: dict[str, float] | None = None
    """Metric → value of the baseline, on the split `test`, else on the last of `metrics`."""
    repeated: list[tuple[str, int, str, dict[str, tuple[float, float, list[float]]]]] = field(default_factory=list)
    """`folds` or `seeds`, how many, the part (empty for what a fold held out), and by metric mean, deviation, each."""
    baseline_name: str = "TF-IDF + logistic regression"
    settings: dict[str, Any] = field(default_factory=dict)
    examples: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Texts and what the model really gave: label → score, for a backbone neighbour → similarity; or `text` → text."""
    found: list[tuple[str, str]] | None = None
    """For a tagger: the type and the text of each span that its pipeline finds in the first example."""
    joins_tags: bool = False
    """For a tagger: its tags are those of IOB, which the pipeline joins to spans."""
    pictures: list[tuple[str, str]] = field(default_factory=list)
    """File name beside the card, caption."""
    limits: list[str] = field(default_factory=list)
    """Sentences on what the model cannot do, beside those that hold for its kind."""


def check_card_language(card_language: str | None) -> None:
    """Refuse a language that no card is written in, before any work is done; `None` is fine.

    Raises:
        UserError: when there is no such template.
    """
    if card_language is not None and card_language not in LANGUAGES:
        raise UserError(f"card_language is {card_language!r}, but must be one of {', '.join(LANGUAGES)}")


def write_model_card(folder: str | os.PathLike[str], facts: ModelCardFacts) -> None:
    """Write `README.md` and its facts into `folder` (made where it is absent), in place of those that are there.

    Args:
        folder: the model's folder.
        facts: what to tell.
    """
    saved = json.dumps(asdict(facts), ensure_ascii=False, indent=1, default=_number_of)
    # The card is that of the facts as they are read again, so that a push can tell whether anyone has edited it.
    card = render_card(ModelCardFacts(**json.loads(saved)))
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, text in (("README.md", card), (FACTS_FILE, saved + "\n")):
        target = Path(folder) / name
        beside = target.with_name(f".{name}.{uuid.uuid4().hex[:8]}")
        try:
            beside.write_text(text, encoding="utf-8", newline="\n")
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)


def read_card_facts(folder: Path) -> ModelCardFacts | None:
    """The facts that the card of a folder was written from; None where they are missing, or others than that card's."""
    try:
        facts = ModelCardFacts(**json.loads((folder / FACTS_FILE).read_text(encoding="utf-8")))
        same = render_card(facts) == (folder / "README.md").read_text(encoding="utf-8")
    except Exception:  # a file from elsewhere, in which anything may stand where a field is expected
        return None
    return facts if same else None


def render_card(facts: ModelCardFacts) -> str:
    """The card: metadata and text."""
    from jinja2 import Environment, FileSystemLoader

    bases = [facts.base_model] if isinstance(facts.base_model, str) else facts.base_model or []
    name = "model_card.zh.md" if facts.card_language == "zh" else "model_card.md"
    text = (
        Environment(loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"), autoescape=False)
        .get_template(name)
        .render(
            card_data=_metadata(facts).to_yaml(line_break="\n"),
            facts=facts,
            title=_title(facts),
            bases=", ".join(f"`{base}`" for base in bases),
            description=_description(facts),
            word_vectors=facts.auto_class == "AutoModel" and _family(facts) == "word2vec",
            call=PIPELINES.get(facts.pipeline_tag or ""),
            example=_example_text(facts),
            example_output=_example_output(facts),
            several=facts.problem_type == "multi_label_classification",
            above_half=_above_half(facts),
            results=_results(facts),
            score_split=_score_split(facts),
            named=lambda metric: _named(facts, metric),
            types=_types(facts),
            transformers_range=TRANSFORMERS_RANGE,
            literal=_literal,
            comment=_comment,
            plain=lambda value: _plain(said(value, facts.card_language) if isinstance(value, str) else value),
            number=_number,
            size=_size,
            address=_address,
        )
    )
    return text.rstrip() + "\n"


def _number_of(value: Any) -> Any:
    """Numpy's numbers as Python's; whatever else JSON does not know, as text."""
    return value.item() if hasattr(value, "item") else str(value)


def _metadata(facts: ModelCardFacts) -> Any:
    from huggingface_hub import EvalResult, ModelCardData

    measured = [
        EvalResult(
            task_type=facts.pipeline_tag or "other",
            dataset_type=facts.dataset_id or _slug(facts.dataset_name),
            dataset_name=facts.dataset_name or facts.dataset_id or "custom",
            dataset_split=split,
            metric_type=METRICS.get(metric, (metric, ""))[0],
            metric_name=METRICS.get(metric, ("", metric))[1],
            metric_value=float(value),
        )
        for split, values in facts.metrics.items()
        for metric, value in values.items()
        if metric not in NO_HUB_METRICS and math.isfinite(value)  # the Hub refuses a card with a NaN
    ]
    return ModelCardData(
        language=facts.language,
        license=facts.license,
        library_name="transformers",
        pipeline_tag=facts.pipeline_tag,
        base_model=facts.base_model,
        base_model_relation="finetune" if facts.base_model else None,
        datasets=[facts.dataset_id] if facts.dataset_id else None,
        tags=["wordemb-hf", _family(facts).replace("_", "-")],
        metrics=list(dict.fromkeys(result.metric_type for result in measured)) or None,
        model_name=_title(facts) if measured else None,
        eval_results=measured or None,
        widget=_widget(facts) or None,
    )


def _widget(facts: ModelCardFacts) -> list[dict[str, Any]]:
    """Examples with their outputs as the Hub shows them without running the model."""
    if facts.pipeline_tag not in PIPELINES:
        return []
    shown = []
    for text, output in facts.examples:
        scores = [{"label": str(label), "score": round(float(s), 4)} for label, s in _scores(output)]
        shown.append({"text": text, "output": scores or {key: str(value) for key, value in output.items()}})
    return shown


def _scores(output: dict[str, Any]) -> list[tuple[str, float]]:
    """Label and score, the highest first; empty when the output is not one of scores."""
    if not output or any(isinstance(value, str) for value in output.values()):
        return []
    return sorted(output.items(), key=lambda item: -float(item[1]))


def _family(facts: ModelCardFacts) -> str:
    """The family's name, whether it was given so or as a `model_type` (`wordemb_textcnn`)."""
    return facts.family.removeprefix("wordemb_")


def _description(facts: ModelCardFacts) -> str:
    family = "transformer" if _family(facts).startswith("transformer") else _family(facts)  # three types, one paper
    return facts.description or said(DESCRIPTIONS.get(family, ""), facts.card_language)


def _title(facts: ModelCardFacts) -> str:
    """The last part of a repository's or a folder's name."""
    last = re.split(r"[\\/]", facts.model_name.rstrip("\\/"))[-1]
    title = last if last.strip(". ") else _family(facts)
    return f"{title}-{facts.subfolder.rsplit('/', 1)[-1]}" if facts.subfolder else title


def _example_text(facts: ModelCardFacts) -> str:
    if facts.examples:
        return facts.examples[0][0]
    if facts.pipeline_tag in PIPELINES or facts.auto_class == "AutoModelForSeq2SeqLM":
        return "今天天气很好" if facts.language == "zh" else "What a fine day it is"
    return "国王" if facts.language == "zh" else "king"


def _example_output(facts: ModelCardFacts) -> str | None:
    """What the pipeline of a classifier returns for the example, as Python prints it, on one line."""
    if facts.pipeline_tag != "text-classification" or not facts.examples:
        return None
    if facts.problem_type == "multi_label_classification":
        return None  # see `_above_half`
    scores = _scores(facts.examples[0][1])
    return repr([{"label": scores[0][0], "score": round(float(scores[0][1]), 4)}]) if scores else None


def _above_half(facts: ModelCardFacts) -> list[tuple[str, float]]:
    """The labels of the example, where a text may have several, as the card's code prints them."""
    if facts.problem_type != "multi_label_classification" or not facts.examples:
        return []
    return [(label, round(float(score), 4)) for label, score in _scores(facts.examples[0][1]) if score > 0.5]


def _score_split(facts: ModelCardFacts) -> str | None:
    """The split on which the baseline was measured."""
    return "test" if "test" in facts.metrics else next(reversed(facts.metrics), None)


def _results(facts: ModelCardFacts) -> list[tuple[str, list[str], str]]:
    """Rows of the table: the metric's name, a value for each split, that of the baseline."""
    names = dict.fromkeys(metric for values in facts.metrics.values() for metric in values)
    return [
        (
            _named(facts, metric),
            [_number(values.get(metric)) for values in facts.metrics.values()],
            _number((facts.baseline or {}).get(metric)),
        )
        for metric in names
    ]


def _named(facts: ModelCardFacts, metric: str) -> str:
    """What a table calls a metric, or that of the baseline."""
    name = metric.removeprefix("baseline_")
    shown = _plain(said(METRICS.get(name, ("", name))[1], facts.card_language))
    return shown if name == metric else f"{shown} ({_plain(said(facts.baseline_name, facts.card_language))})"


def _types(facts: ModelCardFacts) -> tuple[list[str], list[list[str]]]:
    """The table of types: the names of the metrics, and for each type a row of its name and their values."""
    names = list(dict.fromkeys(metric for values in facts.types.values() for metric in values))
    shown = [METRICS.get(metric, ("", metric.capitalize()))[1] for metric in names]
    rows = [
        [_plain(type_), *(_number(values.get(metric)) for metric in names)] for type_, values in facts.types.items()
    ]
    return [_plain(said(name, facts.card_language)) for name in shown], rows


def _number(value: Any) -> str:
    """Four digits that count; integers with thousands apart; a dash for nothing."""
    if value is None:
        return "–"
    value = value.item() if hasattr(value, "item") else value  # numpy's numbers
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}" if 0 <= value <= 1 else f"{value:.4g}"
    return str(value)


def _size(count: int) -> str:
    """Bytes in the unit that a file manager would show."""
    size, units = float(count), ["bytes", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if size >= 100 or units[0] == "bytes" else f"{size:.1f} {units[0]}"


def _plain(value: Any) -> str:
    """Text that Markdown shows as it is, on one line, in a table too."""
    text = " ".join(str(value).split())
    return re.sub(r"([\\`*\[\]<>|#~$]|(?<!\w)_|_(?!\w))", r"\\\1", text)


def _literal(text: str) -> str:
    """A string of Python in double quotes, which cannot end the code block that it stands in."""
    return json.dumps(text, ensure_ascii=False).replace("`", "\\u0060")


def _comment(text: str) -> str:
    """Text on one line of a comment, which cannot end the code block that it stands in."""
    return " ".join(str(text).split()).replace("```", "` ` `")


def _address(name: str) -> str:
    """A file's name within a link of Markdown."""
    from urllib.parse import quote

    return quote(name)


def _slug(name: str | None) -> str:
    return re.sub(r"[^a-z0-9]+", "-", (name or "").lower()).strip("-") or "custom"
