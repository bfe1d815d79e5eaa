"""The model card: a README.md written from what was measured, so that nothing in it can differ from the model.

The metadata (YAML, with `model-index`) is huggingface_hub's `ModelCardData`; the text is the template `model_card.md`.
"""

from __future__ import annotations

import json
import math
import os
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ModelCardFacts", "write_model_card"]

TRANSFORMERS_RANGE = ">=5.17,<6"

# Task of transformers' pipelines → the name of the variable in the card's example.
PIPELINES = {
    "text-classification": "classify",
    "token-classification": "tag",
    "fill-mask": "fill",
    "text-generation": "generate",
}

# Ours → the Hub's name of the metric, and how it is written in a table.
METRICS = {
    "accuracy": ("accuracy", "Accuracy"),
    "macro_f1": ("f1", "Macro F1"),
    "f1": ("f1", "F1"),
    "precision": ("precision", "Precision"),
    "recall": ("recall", "Recall"),
    "perplexity": ("perplexity", "Perplexity"),
    "bleu": ("bleu", "BLEU"),
    "chrf": ("chrf", "chrF"),
    "loss": ("loss", "Loss"),
}

DESCRIPTIONS = {
    "word2vec": "One vector per word, learnt by predicting a word from its neighbours or its neighbours from the word "
    "([Mikolov et al. 2013a](https://arxiv.org/abs/1301.3781), [2013b](https://arxiv.org/abs/1310.4546)); words that "
    "were never seen are composed from their character n-grams where the model has them "
    "([Bojanowski et al. 2017](https://arxiv.org/abs/1607.04606)).",
    "bow": "A bag of words: the words of a text and their pairs are counted, weighted and summed up by one linear "
    "layer ([Wang & Manning 2012](https://aclanthology.org/P12-2018/)).",
    "textcnn": "Convolutions of several widths slide over the word vectors of a text, and the strongest response of "
    "each filter decides ([Kim 2014](https://arxiv.org/abs/1408.5882)).",
    "rnn": "A recurrent network reads a text from left to right, one state after each word "
    "([Hochreiter & Schmidhuber 1997](https://doi.org/10.1162/neco.1997.9.8.1735) for the LSTM, "
    "[Cho et al. 2014](https://arxiv.org/abs/1406.1078) for the GRU).",
    "bilstm": "Two LSTMs read a text in both directions, so that every word is seen in its whole sentence "
    "([Graves & Schmidhuber 2005](https://doi.org/10.1016/j.neunet.2005.06.042); for tagging, with a conditional "
    "random field, [Huang et al. 2015](https://arxiv.org/abs/1508.01991)).",
    "elmo": "Words are read by their characters, and two language models, one in each direction, give every word "
    "vectors that depend on its sentence ([Peters et al. 2018](https://arxiv.org/abs/1802.05365)).",
    "attention_seq2seq": "A recurrent encoder reads the source; a recurrent decoder writes the target and looks back "
    "at the source by attention ([Bahdanau et al. 2015](https://arxiv.org/abs/1409.0473), "
    "[Luong et al. 2015](https://arxiv.org/abs/1508.04025)).",
    "transformer": "A small Transformer: self-attention and feed-forward layers, nothing recurrent "
    "([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762)).",
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
    base_model: str | None = None
    file_size_bytes: int | None = None
    vocab_size: int | None = None
    labels: list[str] | None = None
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


def write_model_card(folder: str | os.PathLike[str], facts: ModelCardFacts) -> None:
    """Writes `README.md` into `folder` (made where it is absent), in place of one that is there.

    Args:
        folder: the model's folder.
        facts: what to tell.
    """
    from huggingface_hub import ModelCard

    card = ModelCard.from_template(
        _metadata(facts),
        template_path=str(Path(__file__).with_name("model_card.md")),
        facts=facts,
        title=_title(facts),
        description=_description(facts),
        word_vectors=facts.auto_class == "AutoModel" and _family(facts) == "word2vec",
        call=PIPELINES.get(facts.pipeline_tag or ""),
        example=_example_text(facts),
        example_output=_example_output(facts),
        results=_results(facts),
        score_split=_score_split(facts),
        types=_types(facts),
        transformers_range=TRANSFORMERS_RANGE,
        literal=_literal,
        comment=_comment,
        plain=_plain,
        number=_number,
        size=_size,
        address=_address,
    )
    target = Path(folder) / "README.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".README.{uuid.uuid4().hex[:8]}")
    try:
        beside.write_text(str(card).rstrip() + "\n", encoding="utf-8", newline="\n")
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


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
        if math.isfinite(value)  # the Hub refuses a card with a NaN
    ]
    return ModelCardData(
        language=facts.language,
        license=facts.license,
        library_name="transformers",
        pipeline_tag=facts.pipeline_tag,
        base_model=facts.base_model,
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
    return facts.description or DESCRIPTIONS.get(family, "")


def _title(facts: ModelCardFacts) -> str:
    """The last part of a repository's or a folder's name."""
    last = re.split(r"[\\/]", facts.model_name.rstrip("\\/"))[-1]
    return last if last.strip(". ") else _family(facts)


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
    scores = _scores(facts.examples[0][1])
    return repr([{"label": scores[0][0], "score": round(float(scores[0][1]), 4)}]) if scores else None


def _score_split(facts: ModelCardFacts) -> str | None:
    """The split on which the baseline was measured."""
    return "test" if "test" in facts.metrics else next(reversed(facts.metrics), None)


def _results(facts: ModelCardFacts) -> list[tuple[str, list[str], str]]:
    """Rows of the table: the metric's name, a value for each split, that of the baseline."""
    names = dict.fromkeys(metric for values in facts.metrics.values() for metric in values)
    return [
        (
            _plain(METRICS.get(metric, ("", metric))[1]),
            [_number(values.get(metric)) for values in facts.metrics.values()],
            _number((facts.baseline or {}).get(metric)),
        )
        for metric in names
    ]


def _types(facts: ModelCardFacts) -> tuple[list[str], list[list[str]]]:
    """The table of types: the names of the metrics, and for each type a row of its name and their values."""
    names = list(dict.fromkeys(metric for values in facts.types.values() for metric in values))
    shown = [METRICS.get(metric, ("", metric.capitalize()))[1] for metric in names]
    rows = [
        [_plain(type_), *(_number(values.get(metric)) for metric in names)] for type_, values in facts.types.items()
    ]
    return [_plain(name) for name in shown], rows


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
