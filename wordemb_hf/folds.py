"""The folds of a cross-validation: what each of them holds out, and what is left to train on."""

import warnings
from collections import Counter
from typing import Any

from .errors import UserError


def folds_of(job: Any, part: Any, folds: int, seed: int) -> list[tuple[Any, Any]]:
    """What is trained on and what is held out, for each fold.

    Of texts with one label, every fold has its share of each; pairs with one source are held out together.

    Args:
        job: the task.
        part: all texts.
        folds: how many.
        seed: of the order.

    Raises:
        UserError: for fewer texts than folds, or a label that is in one fold only.
    """
    import numpy as np
    from sklearn.model_selection import KFold, StratifiedKFold

    # What must not be parted: texts, or all that is written for one source.
    sources = getattr(part, "sources", range(len(part)))
    groups: dict[Any, list[int]] = {}
    for row, source in enumerate(sources):
        groups.setdefault(source, []).append(row)
    if not 2 <= folds <= len(groups):
        noun = "texts" if len(groups) == len(part) else "different sources"
        raise UserError(
            f"folds is {folds}, but must be at least 2 and at most the {len(groups)} {noun} of {part.source}"
        )
    labels: list[Any] = getattr(part, "labels", [])
    one_label = bool(labels) and all(isinstance(label, str) for label in labels)
    if one_label and (most := Counter(labels).most_common(1)[0][1]) < folds:
        raise UserError(f"folds is {folds}, but no label in {part.source} has more than {most} texts: take fewer folds")
    members = list(groups.values())
    splitter = (StratifiedKFold if one_label else KFold)(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # it is missing in some folds
        chosen = [held_out for _, held_out in splitter.split(np.zeros(len(members)), labels if one_label else None)]
    pairs = []
    for number, held_out in enumerate(chosen, 1):
        out = {row for group in held_out for row in members[group]}
        kept = part.take([row for row in range(len(part)) if row not in out], part.source)
        pairs.append((kept, part.take(sorted(out), f"{part.source} (fold {number})")))
        if hasattr(job, "kind"):
            try:
                job.kind.check(kept, [pairs[-1][1]])
            except UserError as error:
                raise UserError(f"fold {number} of {folds} leaves too little to learn from: {error}") from None
    return pairs
