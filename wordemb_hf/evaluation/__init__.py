"""How good a model is: metrics of the evaluate library that need no network, and the classical floor to beat.

Names are imported when they are first used: `import evaluate` takes seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .analogies import AnalogyMetrics as AnalogyMetrics
    from .baseline import most_frequent_tags as most_frequent_tags
    from .baseline import nearest_targets as nearest_targets
    from .baseline import tfidf_baseline as tfidf_baseline
    from .classification import ClassificationMetrics as ClassificationMetrics
    from .regression import RegressionMetrics as RegressionMetrics
    from .several_labels import MultiLabelMetrics as MultiLabelMetrics
    from .similarity import SimilarityMetrics as SimilarityMetrics
    from .tagging import TaggingMetrics as TaggingMetrics
    from .translation import TranslationMetrics as TranslationMetrics

_MODULES = {
    "AnalogyMetrics": "analogies",
    "ClassificationMetrics": "classification",
    "MultiLabelMetrics": "several_labels",
    "RegressionMetrics": "regression",
    "SimilarityMetrics": "similarity",
    "TaggingMetrics": "tagging",
    "TranslationMetrics": "translation",
    "most_frequent_tags": "baseline",
    "nearest_targets": "baseline",
    "tfidf_baseline": "baseline",
}

__all__ = [
    "AnalogyMetrics",
    "ClassificationMetrics",
    "MultiLabelMetrics",
    "RegressionMetrics",
    "SimilarityMetrics",
    "TaggingMetrics",
    "TranslationMetrics",
    "most_frequent_tags",
    "nearest_targets",
    "tfidf_baseline",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
