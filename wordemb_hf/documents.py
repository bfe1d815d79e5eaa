"""The files beside a model that tell of it: the log, the pictures, the figures and the card."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from .families import PRETRAINING
from .messages import language as spoken
from .model_card import ModelCardFacts, write_model_card
from .plots import training_curve, word_map
from .reports import write_history, write_json
from .splits import Splits
from .teacher import Teaching
from .training import TrainingResult, TrainingSettings
from .vectors import KeyedVectors

_BASELINE = "baseline_"
# Config fields that every model has or that the card shows elsewhere.
_ELSEWHERE = {"id2label", "label2id", "auto_map", "architectures", "transformers_version", "model_type", "dtype"}
_ELSEWHERE |= {"custom_pipelines", "is_encoder_decoder"}


def document_vectors(
    folder: Path,
    model: PreTrainedModel,
    *,
    name: str,
    corpus: str,
    documents: int,
    result: TrainingResult,
    settings: TrainingSettings,
    language: str | None,
    card_language: str | None = None,
) -> None:
    """Tell of word vectors that have just been saved in `folder`.

    Args:
        folder: where the model is and the files go.
        model: the model.
        name: what the card calls it.
        corpus: what it was trained on.
        documents: of how many documents.
        result: of the training.
        settings: of the training.
        language: of the text, if known.
        card_language: what the card is written in; by default the language of messages.
    """
    vectors = KeyedVectors.from_folder(folder)
    # The most frequent words are function words, which tell little on a map.
    rows = [row for row, word in enumerate(vectors.words) if any(map(str.isalpha, word))][50:300]
    rows = rows or list(range(len(vectors)))
    word_map([vectors.words[row] for row in rows], vectors.matrix[rows], folder / "word_map.png", language=spoken())
    shown = [vectors.words[row] for row in rows[:: max(len(rows) // 3, 1)][:3]]
    config_fields = ["algorithm", "loss", "hidden_size", "window_size", "subsample_threshold"]
    config_fields += ["num_negatives"] if model.config.loss == "negative_sampling" else []
    config_fields += ["num_ngram_buckets", "min_ngram", "max_ngram"] if model.config.num_ngram_buckets else []
    facts = ModelCardFacts(
        **_common(folder, model, name, result, card_language),
        auto_class="AutoModel",
        pipeline_tag="feature-extraction",
        language=language,
        dataset_name=corpus,
        dataset_id=_hub_id(corpus),
        dataset_sizes={"train": documents},
        examples=[(word, dict(vectors.nearest(word, top=5))) for word in shown],
        settings={field: getattr(model.config, field) for field in config_fields} | _training(settings),
    )
    facts.pictures.insert(0, ("word_map.png", "Words with similar vectors lie together"))
    write_model_card(folder, facts)


# What a language model is used for, by the class that was trained: the Auto class and the pipeline.
_USES = {
    "AutoModelForCausalLM": ("AutoModelForCausalLM", "text-generation"),
    "AutoModelForMaskedLM": ("AutoModelForMaskedLM", "fill-mask"),
    "AutoModelForPreTraining": ("AutoModel", "feature-extraction"),
    "AutoModelForSeq2SeqLM": ("AutoModel", "feature-extraction"),
}


def document_language_model(
    folder: Path,
    model: PreTrainedModel,
    *,
    name: str,
    corpus: str,
    documents: int,
    result: TrainingResult,
    settings: TrainingSettings,
    language: str | None,
    card_language: str | None = None,
) -> None:
    """Tell of a language model that has just been saved in `folder`.

    Args: those of `document_vectors`.
    """
    auto_class, pipeline_tag = _USES[PRETRAINING[model.config.model_type.removeprefix("wordemb_")].auto_class]
    own = {key: value for key, value in model.config.to_diff_dict().items() if key not in _ELSEWHERE}
    measured = {key.removeprefix("eval_"): value for key, value in result.best.items() if key.startswith("eval_")}
    if measured:
        write_json({"dev": measured}, folder / "metrics.json")
    write_model_card(
        folder,
        ModelCardFacts(
            **_common(folder, model, name, result, card_language),
            auto_class=auto_class,
            pipeline_tag=pipeline_tag,
            language=language,
            dataset_name=corpus,
            dataset_id=_hub_id(corpus),
            dataset_sizes={"train": documents},
            metrics={"dev": measured} if measured else {},
            settings=own | _training(settings),
        ),
    )


def document_labeller(
    folder: Path,
    model: PreTrainedModel,
    *,
    name: str,
    dataset: str,
    parts: Splits,
    measured: dict[str, dict[str, Any]],
    result: TrainingResult,
    settings: TrainingSettings,
    losses: dict[str, Any],
    teaching: Teaching | None = None,
    language: str | None,
    vectors: Path | None,
    card_language: str | None = None,
    **facts_of_task: Any,
) -> None:
    """Tell of a classifier, a tagger or a model that writes texts for texts, which has just been saved in `folder`.

    Args:
        folder: where the model is and the files go.
        model: the model.
        name: what the card calls it.
        dataset: what it was trained on.
        parts: the data set.
        measured: figures by part; those of the baseline begin with `baseline_`, those of each type are in `types`.
        result: of the training.
        settings: of the training.
        losses: what was chosen of the training loss.
        teaching: what a teacher said, where there was one.
        language: of the texts.
        vectors: folder or file of the word vectors that it started from.
        card_language: what the card is written in; by default the language of messages.
        facts_of_task: facts of the card that depend on the task.
    """
    write_json(measured, folder / "metrics.json")
    id2label: Any = model.config.id2label  # {id: label}
    final = measured.get("test") or measured.get("dev") or {}
    numbers = {
        part: {key: value for key, value in figures.items() if isinstance(value, float)}
        for part, figures in measured.items()
    }
    baseline = {key.removeprefix(_BASELINE): value for key, value in final.items() if key.startswith(_BASELINE)}
    own = {key: value for key, value in model.config.to_diff_dict().items() if key not in _ELSEWHERE}
    sizes = {"train": parts.train, "dev": parts.dev, "test": parts.test}
    unnamed = model.config.is_encoder_decoder or model.config.problem_type == "regression"
    facts = ModelCardFacts(
        **_common(folder, model, name, result, card_language),
        language=language,
        labels=None if unnamed else list(id2label.values()),
        dataset_name=dataset,
        dataset_id=_hub_id(dataset),
        dataset_sizes={name: len(part) for name, part in sizes.items() if part is not None},
        metrics={
            part: {key: value for key, value in figures.items() if not key.startswith(_BASELINE)}
            for part, figures in numbers.items()
        },
        types=final.get("types", {}),
        baseline=baseline or None,
        teacher=None if teaching is None else _named(teaching.teacher),
        settings=own
        | _training(settings)
        | losses
        | ({"vectors": vectors.name} if vectors else {})
        | ({} if teaching is None else _taught(teaching)),
        **facts_of_task,
    )
    if vectors and (vectors / "word_map.png").is_file():
        shutil.copyfile(vectors / "word_map.png", folder / "word_map.png")
        facts.pictures.append(("word_map.png", "The word vectors that it started from"))
    write_model_card(folder, facts)


def _common(
    folder: Path, model: PreTrainedModel, name: str, result: TrainingResult, card_language: str | None
) -> dict[str, Any]:
    """Write the log and the curve; return the facts that every card has."""
    write_history(result.history, folder)
    pictures = []
    if any(np.isfinite(row.get("loss", np.nan)) for row in result.history):
        training_curve(result.history, folder / "training_curve.png", language=spoken())
        pictures.append(("training_curve.png", "Loss and metric in the course of the training"))
    return {
        "model_name": name,
        "family": model.config.model_type.removeprefix("wordemb_"),
        "num_parameters": model.num_parameters(),
        "file_size_bytes": (folder / "model.safetensors").stat().st_size,
        "vocab_size": model.config.vocab_size,
        "pictures": pictures,
        "card_language": card_language or spoken(),
    }


def _training(settings: TrainingSettings) -> dict[str, Any]:
    fields = ("epochs", "learning_rate", "optimizer", "schedule", "weight_decay", "seed")
    return {field: getattr(settings, field) for field in fields}


def _taught(teaching: Teaching) -> dict[str, Any]:
    texts = {"unlabelled_texts": len(teaching.texts)} if teaching.unlabelled else {}
    return teaching.settings() | {"teacher": _named(teaching.teacher)} | texts


def _named(model: str) -> str:
    """A name on the Hub as it is, a folder without those that it lies in."""
    return Path(model).resolve().name if Path(model).is_dir() else model


def _hub_id(data: str) -> str | None:
    """The data set of the Hub among what was read, without its config and revision; files are named without folders."""
    named = [name for name in data.split(", ") if "/" in name]
    return re.split("[:@]", named[0])[0] if named else None
