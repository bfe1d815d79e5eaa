"""Two pictures for a model's folder: a map of word vectors and the curve of a training.

Both are drawn on an Agg canvas of their own, so no global state of matplotlib is read or changed, and written beside
the target first, so that a reader never sees half a file. matplotlib and scikit-learn are imported inside functions.
Chinese text needs a font with Chinese characters: the system's, or that of the package `pylopdf-fonts-zh-cn` (Noto Sans
SC, SIL Open Font License); where there is neither, one warning says so and the picture is still written.
"""

from __future__ import annotations

import importlib.util
import os
import re
import uuid
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import UserError

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties

__all__ = ["training_curve", "word_map"]

MAX_WORDS = 250  # more labels than this cannot be read on one picture

WORDS = {
    "en": {
        "word_map": "Word map",
        "training_curve": "Training",
        "epoch": "epoch",
        "loss": "loss",
        "train_loss": "training loss",
        "eval_loss": "evaluation loss",
        "best": "best: epoch {epoch}",
        "accuracy": "accuracy",
        "macro_f1": "macro F1",
        "f1": "F1",
        "precision": "precision",
        "recall": "recall",
        "perplexity": "perplexity",
        "bleu": "BLEU",
        "chrf": "chrF",
    },
    "zh": {
        "word_map": "词向量分布图",
        "training_curve": "训练过程",
        "epoch": "轮次",
        "loss": "损失",
        "train_loss": "训练损失",
        "eval_loss": "评估损失",
        "best": "最佳：第 {epoch} 轮",
        "accuracy": "准确率",
        "macro_f1": "宏平均 F1",
        "f1": "F1",
        "precision": "精确率",
        "recall": "召回率",
        "perplexity": "困惑度",
        "bleu": "BLEU",
        "chrf": "chrF",
    },
}

# What a reader knows better than the loss, best first; of the rest, the first that was measured is drawn.
METRICS = ("accuracy", "macro_f1", "f1", "bleu", "chrf")
LOWER_IS_BETTER = {"perplexity", "loss"}

PAPER, INK, FAINT = "#fcfbf8", "#2f3437", "#d9d6cf"
BLUE, ORANGE, GREEN = "#3b6ea5", "#d08442", "#4f8f6f"
PALETTE = (
    "#3b6ea5", "#c8553d", "#4f8f6f", "#8a5a9e", "#a97714", "#2a8c94", "#b04a78", "#6b7a2f", "#6a6fb8", "#8c6045",
)  # fmt: skip

# Families that the systems ship or their users install, nicest first; matched as the beginning of a font's name.
CHINESE_FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "PingFang",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "DengXian",
    "HarmonyOS Sans SC",
    "Sarasa",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Heiti SC",
    "STHeiti",
    "SimHei",
    "Noto Sans CJK",
    "Droid Sans Fallback",
    "Heiti TC",
    "Microsoft JhengHei",
    "Arial Unicode MS",
    "Noto Serif CJK SC",
    "Source Han Serif",
    "Songti SC",
    "STSong",
    "SimSun",
    "LXGW WenKai",
    "AR PL UMing",
    "AR PL UKai",
)
FONT_PACKAGE = "pylopdf-fonts-zh-cn"
HAN = re.compile("[\u2e80-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


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

    text = WORDS[_language(language)]
    title = text["word_map"]
    fonts = _Fonts([title, *words])
    canvas = _canvas((1400, 1050))
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
        _write(canvas, path)


def training_curve(history: list[dict[str, Any]], path: str | os.PathLike[str], *, language: str = "en") -> None:
    """Writes the losses and the metric of a training over its epochs, the best evaluation marked, as a PNG.

    Args:
        history: rows as the training loop and `Trainer.state.log_history` keep them. Every row has `epoch`; rows with
            `loss` are training, rows with `eval_*` evaluation. One metric beside `eval_loss` is drawn, on the second
            axis: accuracy, macro F1, F1, BLEU, chrF or perplexity, whichever comes first.
        path: the file to write; folders are made.
        language: `en` or `zh`.

    Raises:
        UserError: no row has a finite loss or metric.
    """
    from matplotlib.ticker import MaxNLocator

    text = WORDS[_language(language)]
    metric = _metric_of(history)
    train, loss = _series(history, "loss"), _series(history, "eval_loss")
    score = _series(history, f"eval_{metric}") if metric else np.empty((0, 2))
    if not len(train) and not len(loss) and not len(score):
        raise UserError("history has no row with an epoch and a finite loss, eval_loss or metric")

    measured, falls = (score, metric in LOWER_IS_BETTER) if len(score) else (loss, True)
    best = measured[(np.argmin if falls else np.argmax)(measured[:, 1])] if len(measured) else None
    name = text.get(metric, metric.replace("_", " ")) if metric else ""
    best_text = "" if best is None else text["best"].format(epoch=f"{best[0]:g}")
    title = text["training_curve"]
    fonts = _Fonts([title, name, best_text, *(text[key] for key in ("epoch", "loss", "train_loss", "eval_loss"))])

    canvas = _canvas((1400, 800))
    figure = canvas.figure
    left = figure.add_axes((0.075, 0.13, 0.85, 0.71))
    left.set_facecolor(PAPER)
    lines = []
    if len(train):
        lines += left.plot(*train.T, color=BLUE, alpha=0.25 if len(train) > 60 else 1, linewidth=1.6)
        if len(train) > 60:  # a noisy curve stays as a shadow, its running mean is what is read
            lines = left.plot(*_smooth(train).T, color=BLUE, linewidth=2)
        lines[-1].set_label(text["train_loss"])
    if len(loss):
        lines += left.plot(*loss.T, color=ORANGE, linewidth=2, marker="o", markersize=5, label=text["eval_loss"])
    if len(train) or len(loss):
        left.set_ylabel(text["loss"], color=INK, labelpad=10, fontproperties=fonts.of(text["loss"], size=11))
    right = left  # one axis is enough for a metric without losses
    if len(score):
        right = left.twinx() if len(train) or len(loss) else left
        lines += right.plot(*score.T, color=GREEN, linewidth=2, marker="s", markersize=5, label=name)
        right.set_ylabel(name, color=GREEN, labelpad=10, fontproperties=fonts.of(name, size=11))
        right.margins(y=0.15)
    left.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=bool(np.ptp(left.get_xlim()) > 2)))
    left.set_xlabel(text["epoch"], color=INK, labelpad=8, fontproperties=fonts.of(text["epoch"], size=11))
    for axes in {left, right}:
        _tidy(axes, grid=axes is left)

    if best is not None:
        axes, colour = (right, GREEN) if len(score) else (left, ORANGE)
        left.axvline(best[0], color=INK, alpha=0.35, linewidth=1, linestyle=(0, (4, 4)), zorder=1)
        axes.plot(*best, "o", markersize=13, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=1.6)
        late = best[0] > np.mean(left.get_xlim())
        left.annotate(
            f"{best_text}  ·  {best[1]:.4g}",
            (best[0], 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-6 if late else 6, 6),
            textcoords="offset points",
            ha="right" if late else "left",
            color=INK,
            fontproperties=fonts.of(best_text, size=10),
        )
    figure.text(0.075, 0.945, title, color=INK, va="center", fontproperties=fonts.of(title, size=15))
    legend = figure.legend(
        handles=lines,
        loc="center right",
        bbox_to_anchor=(0.93, 0.945),
        ncols=len(lines),
        frameon=False,
        labelcolor=INK,
        handlelength=1.6,
    )
    for entry in legend.get_texts():
        entry.set_fontproperties(fonts.of(entry.get_text(), size=10.5))
    with fonts.quiet():
        _write(canvas, path)


# --- words on a plane -------------------------------------------------------------------------------------------------


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


# --- a training's history ---------------------------------------------------------------------------------------------


def _series(history: Iterable[dict[str, Any]], key: str) -> np.ndarray:
    """(m, 2): epoch and value of the rows that have both, in the order of epochs."""
    rows = [(r["epoch"], r[key]) for r in history if r.get(key) is not None and r.get("epoch") is not None]
    table = np.array(rows, dtype=float).reshape(-1, 2)
    table = table[np.isfinite(table).all(axis=1)]
    return table[np.argsort(table[:, 0], kind="stable")]


def _metric_of(history: Iterable[dict[str, Any]]) -> str | None:
    """The metric to draw beside the losses, without its `eval_`; None when nothing was measured."""
    housekeeping = ("loss", "runtime", "samples_per_second", "steps_per_second")
    keys = [k.removeprefix("eval_") for row in history for k in row if k.startswith("eval_")]
    keys = [k for k in dict.fromkeys(keys) if k not in housekeeping and len(_series(history, f"eval_{k}"))]
    return next((name for name in METRICS if name in keys), keys[0] if keys else None)


def _smooth(table: np.ndarray) -> np.ndarray:
    """A running mean over a thirtieth of the rows (m, 2), never reaching past either end."""
    half = max(1, len(table) // 60)
    sums = np.concatenate([[0.0], np.cumsum(table[:, 1])])
    index = np.arange(len(table))
    width = np.minimum(np.minimum(index, len(table) - 1 - index), half)
    mean = (sums[index + width + 1] - sums[index - width]) / (2 * width + 1)
    return np.stack([table[:, 0], mean], axis=1)


# --- the canvas -------------------------------------------------------------------------------------------------------


def _language(language: str) -> str:
    if language not in WORDS:
        raise UserError(f"language must be one of {', '.join(WORDS)}, got {language!r}")
    return language


def _plain(word: str) -> str:
    """A dollar sign would start matplotlib's formulas."""
    return word.replace("$", r"\$")


def _canvas(pixels: tuple[int, int]) -> FigureCanvasAgg:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    return FigureCanvasAgg(Figure(figsize=(pixels[0] / 140, pixels[1] / 140), dpi=140, facecolor=PAPER))


def _tidy(axes: Any, *, grid: bool) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=INK, labelsize=10, length=0)
    if grid:
        axes.grid(axis="y", color=FAINT, linewidth=0.8)
        axes.set_axisbelow(True)


def _write(canvas: FigureCanvasAgg, path: str | os.PathLike[str]) -> None:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        canvas.print_png(beside, metadata={"Software": None})
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


# --- fonts ------------------------------------------------------------------------------------------------------------


class _Fonts:
    """A font for each text of one picture: matplotlib's own, or for texts beyond it one that was found.

    Warns once when the texts have characters that no font at hand can draw.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        from matplotlib.font_manager import FontProperties

        self.own = FontProperties(family=["DejaVu Sans"])  # comes with matplotlib
        characters = {c for text in texts for c in text if not c.isspace()}
        beyond = characters - _drawn(self.own, characters)
        self.other = _font_for({c for c in beyond if HAN.match(c)} or beyond)
        missing = beyond - _drawn(self.other, beyond)
        if missing:
            advice = f"`pip install {FONT_PACKAGE}` or install Noto Sans CJK" if any(map(HAN.match, missing)) else ""
            warnings.warn(
                f"no font here can draw {' '.join(sorted(missing)[:5])}: {advice or 'install one that can'}, "
                "then draw the picture again",
                stacklevel=3,
            )

    def of(self, text: str, *, size: float) -> FontProperties:
        """The font for `text`, `size` in points: one picture keeps to one font as far as it reaches."""
        characters = {c for c in text if not c.isspace()}
        font = self.other if self.other is not None and characters == _drawn(self.other, characters) else self.own
        font = font.copy()
        font.set_size(size)
        return font

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """While drawing: matplotlib's warning for each missing glyph adds nothing to the one above."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            yield


def _font_for(characters: set[str]) -> FontProperties | None:
    """The first font that draws all `characters`, else the one that draws most, else None."""
    best, most = None, 0
    for font in _candidates() if characters else ():
        count = len(_drawn(font, characters))
        if count > most:
            best, most = font, count
        if most == len(characters):
            break
    return best


def _candidates() -> Iterator[FontProperties]:
    """Fonts that may draw Chinese, nicest first."""
    from matplotlib.font_manager import FontProperties, findSystemFonts, fontManager

    # "Last Resort" has a box for every character there is, which is what must not be drawn.
    installed = {e.name: e.fname for e in reversed(fontManager.ttflist) if not e.name.startswith("Last Resort")}
    known = [name for family in CHINESE_FAMILIES for name in installed if name.startswith(family)]
    yield from (FontProperties(family=[name]) for name in dict.fromkeys(known))
    package = importlib.util.find_spec(FONT_PACKAGE.replace("-", "_"))
    for folder in package.submodule_search_locations or () if package else ():
        yield from (FontProperties(fname=str(file)) for file in sorted(Path(folder).glob("*Sans*.otf")))
    # matplotlib remembers its list of fonts: one installed since is found on the disk alone.
    remembered = {entry.fname for entry in fontManager.ttflist}
    yield from (FontProperties(fname=file) for file in sorted(set(findSystemFonts()) - remembered))
    yield from (FontProperties(fname=file) for name, file in installed.items() if name not in known)


def _drawn(font: FontProperties | None, characters: set[str]) -> set[str]:
    """Those of `characters` that `font` has a glyph for."""
    from matplotlib.font_manager import findfont, get_font

    if font is None:
        return set()
    try:
        face = get_font(findfont(font, fallback_to_default=False))
    except (OSError, RuntimeError, ValueError):  # a broken file, or one that FreeType cannot read
        return set()
    return {c for c in characters if face.get_char_index(ord(c))}
