"""The curve of a training: its losses and one metric over the epochs.

matplotlib is imported inside functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import UserError
from .canvas import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, Fonts, in_language, new_canvas, write

WORDS = {
    "en": {
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
METRICS = ("f1", "accuracy", "macro_f1", "bleu", "chrf")
LOWER_IS_BETTER = {"perplexity", "loss"}


def training_curve(history: list[dict[str, Any]], path: str | os.PathLike[str], *, language: str = "en") -> None:
    """Writes the losses and the metric of a training over its epochs, the best evaluation marked, as a PNG.

    Args:
        history: rows as the training loop and `Trainer.state.log_history` keep them. Every row has `epoch`; rows with
            `loss` are training, rows with `eval_*` evaluation. One metric beside `eval_loss` is drawn, on the second
            axis: F1, accuracy, macro F1, BLEU, chrF or perplexity, whichever comes first.
        path: the file to write; folders are made.
        language: `en` or `zh`.

    Raises:
        UserError: no row has a finite loss or metric.
    """
    from matplotlib.ticker import MaxNLocator

    text = in_language(WORDS, language)
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
    fonts = Fonts([title, name, best_text, *(text[key] for key in ("epoch", "loss", "train_loss", "eval_loss"))])

    canvas = new_canvas((1400, 800))
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
        write(canvas, path)


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


def _tidy(axes: Any, *, grid: bool) -> None:
    """No frame and no ticks; the lines of a grid where they are asked for."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=INK, labelsize=10, length=0)
    if grid:
        axes.grid(axis="y", color=FAINT, linewidth=0.8)
        axes.set_axisbelow(True)
