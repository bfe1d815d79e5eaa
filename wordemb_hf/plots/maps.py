"""The map of word vectors: words with similar vectors lie together.

matplotlib and scikit-learn are imported inside functions.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from .canvas import INK, PALETTE, Fonts, in_language, new_canvas, write

MAX_WORDS = 250  # more labels than this cannot be read on one picture

TITLE = {"en": "Word map", "zh": "词向量分布图"}


def word_map(
    words: Sequence[str],
    vectors: np.ndarray,
    path: str | os.PathLike[str],
    *,
    groups: Sequence[int] | None = None,
    language: str = "en",
    seed: int = 0,
) -> None:
    """Writes a map on which words with similar vectors lie together, as a PNG of 1400 × 1050 pixels.

    Rows are scaled to length one, so that nearness is the cosine; t-SNE (van der Maaten & Hinton 2008) starts from
    their principal components. Tight clusters are loosened and labels that would lie on each other pushed apart:
    neighbourhoods mean something, exact distances do not. A word with no room left becomes a dot. The same arguments
    give the same picture.

    Args:
        words: n words, the most important first; the first 250 are drawn.
        vectors: (n, width), finite.
        path: the file to write; folders are made.
        groups: n integers, one colour each; found by k-means when None.
        language: `en` or `zh`, of the title.
        seed: of t-SNE and k-means.

    Raises:
        UserError: no word, lengths that differ, or a vector that is not finite.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    if vectors.ndim != 2 or not len(words) or len(words) != len(vectors):
        raise UserError(f"vectors must be (n, width) with one row per word, got {vectors.shape} for {len(words)} words")
    if groups is not None and len(groups) != len(words):
        raise UserError(f"groups must have one number per word, got {len(groups)} for {len(words)} words")
    if not np.isfinite(vectors).all():
        raise UserError("vectors must be finite, got NaN or infinity")
    words, vectors = list(words[:MAX_WORDS]), vectors[:MAX_WORDS]
    rows = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    colours = _clusters(rows, seed) if groups is None else np.unique(groups[:MAX_WORDS], return_inverse=True)[1]
    points = _flatten(rows, seed)  # (n, 2), each column within [-1, 1]

    title = in_language(TITLE, language)
    fonts = Fonts([title, *words])
    canvas = new_canvas((1400, 1050))
    figure = canvas.figure
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 1400), ylim=(0, 1050))  # data units are pixels, so that boxes and points can be compared
    axes.axis("off")
    figure.text(0.035, 0.955, title, color=INK, va="center", fontproperties=fonts.of(title, size=15))

    low, high = np.array([30.0, 25.0]), np.array([1370.0, 975.0])
    breadth = min(1.0, 0.3 + len(words) / 60)  # a few words stand together, in the middle
    centres = (low + high) / 2 + points * breadth * (high - low) / 2
    shades = np.array([PALETTE[int(c) % len(PALETTE)] for c in colours])
    size = next(size for most, size in ((30, 13), (80, 11), (140, 9.5), (MAX_WORDS, 8.5)) if len(words) <= most)
    labels = [
        axes.text(0, 0, _plain(w), color=c, ha="center", va="center", zorder=3, fontproperties=fonts.of(w, size=size))
        for w, c in zip(words, shades, strict=True)
    ]
    with fonts.quiet():
        renderer = canvas.get_renderer()
        extents = [label.get_window_extent(renderer) for label in labels]
        boxes = np.array([[extent.width + 7, extent.height + 3] for extent in extents])
        places = _spread(centres, boxes, low=low, high=high)
        shown = _without_overlap(places, boxes)
        for label, place, visible in zip(labels, places, shown, strict=True):
            label.set_position(place)
            label.set_visible(bool(visible))
        axes.imshow(_mist(places, shades), extent=(0, 1400, 0, 1050), origin="lower", aspect="auto", zorder=1)
        axes.scatter(places[~shown, 0], places[~shown, 1], s=7, c=shades[~shown], alpha=0.7, linewidths=0, zorder=2)
        write(canvas, path)


def _clusters(rows: np.ndarray, seed: int) -> np.ndarray:
    """rows (n, width) → one cluster number each (n,)."""
    from sklearn.cluster import KMeans

    wanted = min(len(PALETTE), max(1, len(rows) // 18), len(np.unique(rows, axis=0)))
    return KMeans(wanted, n_init=5, random_state=seed).fit_predict(rows)


def _flatten(rows: np.ndarray, seed: int) -> np.ndarray:
    """rows (n, width) → points (n, 2), centred, within [-1, 1] on both axes."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count = len(rows)
    if rows.shape[1] > 50 and count > 50:
        rows = PCA(50, random_state=seed).fit_transform(rows)
    if count >= 8 and np.ptp(rows, axis=0).any():
        # The exact method is quick enough for 250 points, and does not sum in the order in which threads come in.
        tsne = TSNE(
            2,
            perplexity=min(20.0, (count - 1) / 3),
            init=_principal(rows) * 1e-4,
            method="exact",
            max_iter=500,
            random_state=seed,
        )
        points = tsne.fit_transform(rows.astype(np.float32))
    else:
        points = _principal(rows)
    # t-SNE leaves wide gaps between tight clusters: half-way to even ranks, labels have room and clusters stay.
    ranks = points.argsort(axis=0, kind="stable").argsort(axis=0) / max(count - 1, 1) * 2 - 1
    varies = np.ptp(points, axis=0) > 1e-9
    return np.where(varies, (_to_square(points) + ranks) / 2, 0.0)


def _to_square(points: np.ndarray) -> np.ndarray:
    """points (n, 2) moved and stretched to reach from -1 to 1 on both axes."""
    points = points - (points.max(axis=0) + points.min(axis=0)) / 2
    return points / np.maximum(np.abs(points).max(axis=0), 1e-12)


def _principal(rows: np.ndarray) -> np.ndarray:
    """The first two principal components of rows (n, width), each of standard deviation one where it varies: (n, 2)."""
    left, values, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    points = np.zeros((len(rows), 2))
    for axis in range(min(2, len(values))):
        if values[axis] > 1e-9:
            column = left[:, axis]
            column = column * np.sign(column[np.abs(column).argmax()])  # the sign of an SVD is arbitrary: fix it
            points[:, axis] = column / max(column.std(), 1e-12)
    return points.astype(np.float32)


def _mist(places: np.ndarray, shades: np.ndarray) -> np.ndarray:
    """A breath of colour around places (n, 2), in pixels of 1400 × 1050: red, green, blue, opacity (263, 350, 4)."""
    from matplotlib.colors import to_rgb

    # A Gaussian of 34 pixels, drawn four times coarser than the picture.
    across = np.exp(-(((np.arange(350) * 4 + 2) - places[:, :1]) ** 2) / (2 * 34**2))  # (n, 350)
    along = np.exp(-(((np.arange(263) * 4 + 2) - places[:, 1:]) ** 2) / (2 * 34**2))  # (n, 263)
    colours = np.array([to_rgb(shade) for shade in shades])
    weight = along.T @ across
    mixed = np.stack([(along * c[:, None]).T @ across for c in colours.T], axis=-1) / (weight[..., None] + 1e-9)
    opacity = 0.2 * (1 - np.exp(-0.9 * weight))
    return np.concatenate([mixed.clip(0, 1), opacity[..., None]], axis=-1)


def _spread(centres: np.ndarray, sizes: np.ndarray, *, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Pushes boxes with centres (n, 2) and sizes (n, 2) apart until none overlap or 300 rounds are over.

    Each round, two overlapping boxes move away from each other along the line between their centres, which keeps the
    shape of a cluster, by at most a few pixels. All stay between `low` and `high`.
    """
    # Two words at one point would push each other in no direction: a spiral of a pixel tells them apart.
    turn = np.arange(len(centres)) * 2.4
    places = centres + np.stack([np.cos(turn), np.sin(turn)], axis=1)
    places = np.clip(places, low + sizes / 2, high - sizes / 2)
    reach = (sizes[:, None] + sizes[None]) / 2  # (n, n, 2)
    for _ in range(300):
        between = places[:, None] - places[None]
        apart = np.maximum((np.abs(between) / reach).max(axis=-1), 0.05)  # one: the boxes touch
        np.fill_diagonal(apart, 1.0)
        if (apart >= 1).all():
            break
        push = between * np.maximum(1 / apart - 1, 0)[..., None]
        places = np.clip(places + np.clip(0.3 * push.sum(axis=1), -6, 6), low + sizes / 2, high - sizes / 2)
    return places


def _without_overlap(places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Which boxes (n,) can be drawn, first come first served, so that none overlap by more than a pixel."""
    shown = np.zeros(len(places), dtype=bool)
    for i in range(len(places)):
        room = np.abs(places[:i] - places[i]) >= (sizes[:i] + sizes[i]) / 2 - 1
        shown[i] = room.any(axis=1)[shown[:i]].all()
    return shown


def _plain(word: str) -> str:
    """A dollar sign would start matplotlib's formulas."""
    return word.replace("$", r"\$")
