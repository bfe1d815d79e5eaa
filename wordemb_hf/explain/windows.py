"""TextCNN: the windows that its filters fired on, each with what the classifier makes of them.

A text's vector is the largest answer of each filter, so each number of it is from one window; the numbers of all
windows and the bias sum to `direction @ logits`.
"""

from collections import defaultdict
from typing import Any

import numpy as np

from .decision import Decision
from .panels import Highlights, Panel, shown
from .reading import Reading

MOST_WINDOWS = 8


def windows_of(model: Any, reading: Reading, decision: Decision) -> dict[tuple[int, int], float]:
    """What each window adds, by its first token and the one behind its last."""
    features = model.textcnn(**reading.inputs).last_hidden_state[0]  # (length, filters)
    largest, places = features.float().max(0)  # (filters,)
    numbers = (largest * (decision.direction @ model.classifier.weight.float())).tolist()
    windows: dict[tuple[int, int], float] = defaultdict(float)
    for number, (place, added) in enumerate(zip(places.tolist(), numbers, strict=True)):
        width = model.config.filter_sizes[number // model.config.num_filters]
        start, stop = place - (width - 1) // 2, place + width // 2 + 1
        windows[max(start, 0), min(stop, len(features))] += added
    return dict(windows)


def window_highlights(model: Any, reading: Reading, decision: Decision) -> list[Panel]:
    """The words, each with its share of the windows that it is in, and the strongest windows."""
    weights = np.zeros(len(reading.words))
    windows = windows_of(model, reading, decision)
    for (start, stop), added in windows.items():
        weights[start:stop] += added / (stop - start)
    strongest = sorted(windows.items(), key=lambda window: -abs(window[1]))[:MOST_WINDOWS]
    groups = [(" ".join(map(shown, reading.words[start:stop])), added) for (start, stop), added in strongest if added]
    return [Highlights(decision.title(), reading.words, weights, groups)]
