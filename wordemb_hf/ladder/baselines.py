"""Classical methods as rungs of the ladder: fitted once, measured and timed like the models."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from safetensors.numpy import save

from ..conll import TaggedSentences, tag_names
from ..evaluation import TaggingMetrics
from ..evaluation.baseline import MostFrequentTags
from ..evaluation.feature_crf import FeatureCRF, has_crfsuite
from ..jobs import job_for_labels
from ..spans import mark_spans
from ..splits import Splits
from .records import Run, Rung, Speed
from .speed import BATCH, measure_speed

TFIDF, FREQUENT, CRF = "TF-IDF + logistic regression", "most frequent tags", "CRF on features"


def baselines_for(task: str) -> list[str]:
    """The baselines of a task that can be fitted here."""
    if task == "classification":
        return [TFIDF]
    return [FREQUENT, *([CRF] if has_crfsuite() else [])]


def fit_baseline(name: str, parts: Splits[Any], language: str, texts: Sequence[str]) -> Rung:
    """Fit, measure and time a baseline.

    Args:
        name: `TFIDF`, `FREQUENT` or `CRF`.
        parts: the data.
        language: of the texts.
        texts: what it is timed with.
    """
    started = time.monotonic()
    if name == TFIDF:
        job = job_for_labels(parts.train)
        fitted = job.fit_baseline(parts.train, "zh" if language == "zh" else "en")
        seconds, (parameters, size) = time.monotonic() - started, _size_of_tfidf(fitted)
        figures = {part: job.measure_baseline(fitted, parts.train, known) for part, known in _measured(parts)}
        speed = _speed(lambda some: fitted.predict(some), texts)
    else:
        tagger = (FeatureCRF if name == CRF else MostFrequentTags)(parts.train.tokens, parts.train.tags)
        seconds, (parameters, size) = time.monotonic() - started, _size_of_tagger(tagger)
        figures = {part: _tagged(tagger, parts.train, known) for part, known in _measured(parts)}
        split: Callable[[str], list[str]] = list if parts.train.are_characters else lambda text: text.split(" ")
        speed = _speed(lambda some: [tagger.tag(split(text)) for text in some], texts)
    return Rung(
        name,
        is_baseline=True,
        runs=[Run(0, seconds, figures["dev"], figures.get("test", {}))],
        parameters=parameters,
        bytes=size,
        speed=speed,
    )


def _measured(parts: Splits[Any]) -> list[tuple[str, Any]]:
    return [(name, part) for name, part in (("dev", parts.dev), ("test", parts.test)) if part is not None]


def _tagged(tagger: FeatureCRF | MostFrequentTags, train: TaggedSentences, part: TaggedSentences) -> dict[str, float]:
    figures = TaggingMetrics().compute(
        predictions=[tagger.tag(tokens) for tokens in part.tokens],
        references=part.tags,
        spans=mark_spans(tag_names(train)),
    )
    return {name: value for name, value in figures.items() if isinstance(value, float)}


def _speed(answer: Callable[[Sequence[str]], object], texts: Sequence[str]) -> Speed:
    def answer_all(many: Sequence[str]) -> None:
        for start in range(0, len(many), BATCH):
            answer(many[start : start + BATCH])

    return measure_speed(lambda text: answer([text]), answer_all, texts)


def _size_of_tfidf(fitted: Any) -> tuple[int, int]:
    """Weights, and bytes of them as safetensors and of the vocabulary as JSON: a pickle would be no file of ours."""
    vectorizer, classifier = fitted["tfidf"], fitted["classifier"]
    # One, or one for each label, of which some may be constant.
    each = [one for one in getattr(classifier, "estimators_", [classifier]) if hasattr(one, "coef_")]
    arrays = {
        "coefficients": np.concatenate([one.coef_ for one in each]),
        "intercepts": np.concatenate([one.intercept_ for one in each]),
        "frequencies": np.ascontiguousarray(vectorizer.idf_),
    }
    words = json.dumps(vectorizer.get_feature_names_out().tolist(), ensure_ascii=False)
    return sum(array.size for array in arrays.values()), len(save(arrays)) + len(words.encode())


def _size_of_tagger(tagger: FeatureCRF | MostFrequentTags) -> tuple[int, int]:
    if isinstance(tagger, FeatureCRF):
        return tagger.num_parameters, len(tagger.model)
    return len(tagger.known), len(json.dumps(tagger.known, ensure_ascii=False).encode())
