"""Skip-gram on a CPU: each word of a window predicts the word in its middle (Mikolov et al. 2013a, section 3.2).

In a window all gradients are those at its beginning. Threads work on the same tables without locks (Niu et al. 2011,
"Hogwild!").
"""

import numpy as np

from .compiled import compiled
from .draws import (
    LONGEST,
    LOSS_EVERY,
    advance,
    below,
    draw_noise,
    set_noise_targets,
    set_path_targets,
    thin_out,
    window_loss,
)
from .tiles import (
    LANES,
    TARGETS,
    add_to_context,
    add_to_pair,
    add_to_targets,
    gradients,
    pair_gradients,
    prefetch_row,
)


@compiled
def train_skipgram(
    ids, offsets, document, start, stop, tables, draws, width, window_size, num_negatives, rate, seed, loss
):
    """Learn from ids[start:stop], at most `LONGEST` words: each word of a window predicts the word in its middle.

    Args:
        ids: int32 (words,); offsets: int64 (documents + 1,).
        document: the one that `start` lies in.
        rate: learning rate, float32.
        num_negatives: 0 for hierarchical softmax.
        loss: float64 (2,): the measured loss and the number of predictions are added.
    """
    kept = np.empty(LONGEST + 1, np.int32)
    rows = np.empty(2 * window_size + 2, np.int64)
    drawn = np.empty(num_negatives, np.int64)
    most = num_negatives + 1 if num_negatives else draws.codes.shape[1]
    tiles = (most + TARGETS - 1) // TARGETS
    targets = np.zeros(tiles * TARGETS, np.int64)
    labels = np.zeros(tiles * LANES, np.float32)
    weights = np.zeros(tiles * LANES, np.float32)
    factors = np.zeros((2 * window_size + 2) * tiles * LANES, np.float32)
    copies = np.zeros((2 * window_size + 2) * width, np.float32)
    labels[0] = 1
    inputs, outputs = tables.inputs, tables.outputs
    keep, noise, codes, paths = draws.keep, draws.noise, draws.codes, draws.paths
    state, windows = np.uint64(seed), 0
    state = draw_noise(noise, state, width, outputs, drawn)
    while start < stop:
        end = min(offsets[document + 1], stop)
        count, state = thin_out(ids, start, end, keep, state, kept)
        for middle in range(count):
            state = advance(state)
            reach = window_size - np.int64(below(state, np.uint64(window_size)))
            contexts = 0
            for place in range(max(0, middle - reach), min(count, middle + reach + 1)):
                rows[contexts] = kept[place] * np.int64(width)
                contexts += 1 if place != middle else 0
            if contexts == 0:
                continue
            if num_negatives:
                tiles = set_noise_targets(np.int64(kept[middle]), drawn, width, rate, targets, weights)
                state = draw_noise(noise, state, width, outputs, drawn)
                if middle + 2 < count:
                    prefetch_row(outputs, kept[middle + 2] * np.int64(width), width)
            else:
                tiles = set_path_targets(np.int64(kept[middle]), codes, paths, width, rate, targets, labels, weights)
            if middle + window_size + 2 < count:
                prefetch_row(inputs, kept[middle + window_size + 2] * np.int64(width), width)
            if windows % LOSS_EVERY == 0:
                for context in range(contexts):
                    copies[context * width : (context + 1) * width] = inputs[rows[context] : rows[context] + width]
                loss[0] += window_loss(copies, contexts, outputs, targets, tiles, labels, weights, rate, width)
                loss[1] += contexts
            windows += 1

            for tile in range(tiles):
                for first in range(0, contexts - 1, 2):
                    pair_gradients(
                        inputs, rows, first, copies, outputs, targets, tile, labels, weights, width, tiles, factors
                    )
                if contexts % 2:
                    last = contexts - 1
                    gradients(
                        inputs, rows, last, copies, outputs, targets, tile, labels, weights, width, tiles, factors
                    )
            for tile in range(tiles):
                for first in range(0, contexts - 1, 2):
                    if rows[first] != rows[first + 1]:
                        add_to_pair(inputs, rows, first, outputs, targets, tile, factors, width, tiles)
                    else:
                        add_to_context(inputs, rows, first, outputs, targets, tile, factors, width, tiles)
                        add_to_context(inputs, rows, first + 1, outputs, targets, tile, factors, width, tiles)
                if contexts % 2:
                    add_to_context(inputs, rows, contexts - 1, outputs, targets, tile, factors, width, tiles)
            for tile in range(tiles):
                add_to_targets(outputs, targets, tile, copies, contexts, factors, width, tiles)
        document += 1
        start = end
