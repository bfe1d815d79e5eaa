"""Which model is enough: what no other model beats on two counts at once, and one of those in a sentence.

Everything is decided on the development part; the test part is shown and decides nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..messages import language, translate
from .records import Comparison, Rung
from .table import milliseconds, name_of, percent, size

NEARLY = 1.25  # times the latency of the fastest: a difference that the next measurement may turn round


@dataclass(frozen=True)
class Choice:
    """What to take.

    Args:
        name: of the model.
        best: of the one that is best on the development part, perhaps the same.
        margin: how far below the best a model may be to be as good: one spread.
        sentence: for the user, in their language.
    """

    name: str
    best: str
    margin: float
    sentence: str


def quality_of(comparison: Comparison) -> Callable[[Rung], float]:
    """The figure that decides."""

    def quality(rung: Rung) -> float:
        found = rung.quality("dev", comparison.metric)
        return found[0] if found else 0.0

    return quality


def front(rungs: Sequence[Rung], quality: Callable[[Rung], float], cost: Callable[[Rung], float]) -> list[Rung]:
    """The rungs that no other one beats in quality or cost without losing in the other; the cheapest first."""
    kept: list[Rung] = []
    for rung in sorted(rungs, key=lambda rung: (cost(rung), -quality(rung))):
        if not kept or quality(rung) > quality(kept[-1]):
            kept.append(rung)
    return kept


def latency(rung: Rung) -> float:
    """Milliseconds for one text."""
    return rung.speed.p50 if rung.speed else float("inf")


def choose(comparison: Comparison) -> Choice | None:
    """The model to take: of those within one spread of the best on the development part, the smallest of the fast ones.

    One spread is the sample standard deviation of the best over its seeds; with a single seed, the standard error of a
    share of the development texts. None while no model is finished.
    """
    quality = quality_of(comparison)
    models = [rung for rung in comparison.finished if not rung.is_baseline]
    if not models:
        return None
    best = max(models, key=quality)
    margin = margin_of(comparison, best)
    near = [rung for rung in models if quality(rung) >= quality(best) - margin]
    fastest = min(map(latency, near))
    taken = min((rung for rung in near if latency(rung) <= NEARLY * fastest), key=lambda rung: (rung.bytes, rung.name))
    between = "" if language() == "zh" else " "
    sentence = between.join([_sentence(taken, best, quality, margin), *_on_baselines(comparison, taken, quality)])
    return Choice(taken.name, best.name, margin, sentence)


def margin_of(comparison: Comparison, best: Rung) -> float:
    """One spread of the best model."""
    value, spread = best.quality("dev", comparison.metric) or (0.0, None)
    if spread is not None:
        return spread
    return (value * (1 - value) / max(comparison.data["sizes"]["dev"], 1)) ** 0.5


def _sentence(taken: Rung, best: Rung, quality: Callable[[Rung], float], margin: float) -> str:
    if taken is best:
        return translate(
            "Take {name}: at {quality} % on dev, with {latency} ms for a text and {size}.",
            name=taken.name,
            quality=percent(quality(taken)),
            latency=milliseconds(latency(taken)),
            size=size(taken.bytes),
        )
    return translate(
        "Take {name}: with {quality} % on dev it is within one spread ({margin}) of the best, {best} "
        "({best_quality} %), and needs {latency} ms for a text and {size}, not {best_latency} ms and {best_size}.",
        name=taken.name,
        quality=percent(quality(taken)),
        latency=milliseconds(latency(taken)),
        size=size(taken.bytes),
        margin=percent(margin),
        best=best.name,
        best_quality=percent(quality(best)),
        best_latency=milliseconds(latency(best)),
        best_size=size(best.bytes),
    )


def _on_baselines(comparison: Comparison, taken: Rung, quality: Callable[[Rung], float]) -> list[str]:
    baselines = [rung for rung in comparison.finished if rung.is_baseline]
    if not baselines:
        return []
    floor = max(baselines, key=quality)
    name, value = name_of(floor), percent(quality(floor))
    if quality(floor) >= quality(taken):
        return [
            translate("But the baseline, {baseline}, is at least as good: {quality} %.", baseline=name, quality=value)
        ]
    return [translate("The baseline, {baseline}, has {quality} %.", baseline=name, quality=value)]
