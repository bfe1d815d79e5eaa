"""CBOW, and skip-gram over n-grams, on a CPU: the mean of several vectors predicts.

CBOW (Mikolov et al. 2013a, section 3.1): the mean of the words around predicts the word in the middle. Skip-gram with
n-grams (Bojanowski et al. 2017, section 3.2): the mean of a word's vector and of its n-grams' predicts each word around
it; this way round a word is put together once for a window, and not once for each neighbour.

As in word2vec.c and fastText, each vector of a mean gets the whole error, not its share of it. In a window all
gradients are those at its beginning. Threads work on the same tables without locks (Niu et al. 2011, "Hogwild!").
"""

import numpy as np

from .compiled import compiled, inlined
from .draws import (
    LONGEST,
    LOSS_EVERY,
    add_path,
    advance,
    below,
    draw_noise,
    fill_tiles,
    set_noise_targets,
    set_path_targets,
    slot,
    thin_out,
    window_loss,
)
from .tiles import (
    LANES,
    TARGETS,
    add_to_context,
    add_to_rows,
    add_to_targets,
    gradients,
    mean_of_rows,
    move_targets,
    prefetch_row,
)


@inlined
def _compose(word, inputs, ngram_vectors, word_ngrams, width, rows, vectors, at):
    """Write the mean of a word's vector and of its n-grams' to vectors[at:]; the n-grams' starts are left in `rows`."""
    count = 0
    while count < word_ngrams.shape[1] and word_ngrams[word, count] > 0:
        rows[count] = word_ngrams[word, count] * np.int64(width)
        count += 1
    start = word * width
    if count:
        mean_of_rows(ngram_vectors, rows, 0, count, width, vectors, at)
    share = np.float32(1.0) / np.float32(count + 1)
    for number in range(width):
        vectors[at + number] = (vectors[at + number] * np.float32(count) + inputs[start + number]) * share
    return count


@inlined
def _learn(mean, here, error, outputs, targets, tiles, labels, weights, factors, width):
    """Move the words to predict towards a mean; what it is to be moved by itself is left in `error`."""
    for tile in range(tiles):
        gradients(mean, here, 0, mean, outputs, targets, tile, labels, weights, width, tiles, factors)
    error[:] = 0
    if tiles == 1:
        move_targets(outputs, targets, mean, factors, error, width)
        return
    for tile in range(tiles):  # all of them, before any word moves: it may be in two
        add_to_context(error, here, 0, outputs, targets, tile, factors, width, tiles)
    for tile in range(tiles):
        add_to_targets(outputs, targets, tile, mean, 1, factors, width, tiles)


@compiled
def train_cbow(ids, offsets, document, start, stop, tables, draws, width, window_size, num_negatives, rate, seed, loss):
    """Learn from ids[start:stop], at most `LONGEST` words; the arguments are those of `train_skipgram`."""
    kept = np.empty(LONGEST + 1, np.int32)
    rows = np.empty(2 * window_size + 2, np.int64)
    drawn = np.empty(num_negatives, np.int64)
    most = num_negatives + 1 if num_negatives else draws.codes.shape[1]
    tiles = (most + TARGETS - 1) // TARGETS
    targets = np.zeros(tiles * TARGETS, np.int64)
    labels = np.zeros(tiles * LANES, np.float32)
    weights = np.zeros(tiles * LANES, np.float32)
    factors = np.zeros(tiles * LANES, np.float32)
    mean = np.zeros(width, np.float32)
    error = np.zeros(width, np.float32)
    with_ngrams = tables.ngrams.shape[0] > 0
    here = np.zeros(1, np.int64)
    composed = np.zeros((2 * window_size + 2) * width if with_ngrams else 0, np.float32)
    starts = np.arange(2 * window_size + 2) * np.int64(width)
    ngrams = np.zeros(draws.word_ngrams.shape[1], np.int64)
    labels[0] = 1
    inputs, outputs = tables.inputs, tables.outputs
    keep, noise, codes, paths = draws.keep, draws.noise, draws.codes, draws.paths
    ngram_vectors, word_ngrams = tables.ngrams, draws.word_ngrams
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

            if with_ngrams:
                for context in range(contexts):
                    word = rows[context] // width
                    _compose(word, inputs, ngram_vectors, word_ngrams, width, ngrams, composed, starts[context])
                mean_of_rows(composed, starts, 0, contexts, width, mean, 0)
            else:
                mean_of_rows(inputs, rows, 0, contexts, width, mean, 0)
            if windows % LOSS_EVERY == 0:
                loss[0] += window_loss(mean, 1, outputs, targets, tiles, labels, weights, rate, width)
                loss[1] += 1
            windows += 1
            _learn(mean, here, error, outputs, targets, tiles, labels, weights, factors, width)
            add_to_rows(inputs, rows, 0, contexts, width, error)
            if with_ngrams:
                for context in range(contexts):
                    word, number = rows[context] // width, 0
                    while number < word_ngrams.shape[1] and word_ngrams[word, number] > 0:
                        ngrams[number] = word_ngrams[word, number] * np.int64(width)
                        number += 1
                    add_to_rows(ngram_vectors, ngrams, 0, number, width, error)
        document += 1
        start = end


@compiled
def train_skipgram_ngrams(
    ids, offsets, document, start, stop, tables, draws, width, window_size, num_negatives, rate, seed, loss
):
    """Learn from ids[start:stop], at most `LONGEST` words; the arguments are those of `train_skipgram`."""
    kept = np.empty(LONGEST + 1, np.int32)
    drawn = np.empty(num_negatives, np.int64)
    most = 2 * window_size + num_negatives if num_negatives else 2 * window_size * draws.codes.shape[1]
    tiles = (most + TARGETS - 1) // TARGETS
    targets = np.zeros(tiles * TARGETS, np.int64)
    labels = np.zeros(tiles * LANES, np.float32)
    weights = np.zeros(tiles * LANES, np.float32)
    factors = np.zeros(tiles * LANES, np.float32)
    mean = np.zeros(width, np.float32)
    error = np.zeros(width, np.float32)
    here = np.zeros(1, np.int64)
    ngrams = np.zeros(draws.word_ngrams.shape[1], np.int64)
    inputs, outputs = tables.inputs, tables.outputs
    keep, noise, codes, paths = draws.keep, draws.noise, draws.codes, draws.paths
    ngram_vectors, word_ngrams = tables.ngrams, draws.word_ngrams
    state, windows = np.uint64(seed), 0
    state = draw_noise(noise, state, width, outputs, drawn)
    while start < stop:
        end = min(offsets[document + 1], stop)
        count, state = thin_out(ids, start, end, keep, state, kept)
        for middle in range(count):
            state = advance(state)
            reach = window_size - np.int64(below(state, np.uint64(window_size)))
            first, last = max(0, middle - reach), min(count, middle + reach + 1)
            contexts = last - first - 1
            if contexts == 0:
                continue
            length = 0
            for place in range(first, last):
                if place != middle:
                    word = np.int64(kept[place])
                    if num_negatives:
                        targets[length], labels[slot(length)], weights[slot(length)] = word * width, 1, rate
                        length += 1
                    else:
                        length = add_path(word, codes, paths, width, rate, targets, labels, weights, length)
            if num_negatives:
                for number in range(num_negatives):
                    # Noise serves all the words around, but for those that it is itself.
                    others = contexts
                    for context in range(contexts):
                        others -= 1 if targets[context] == drawn[number] else 0
                    targets[length] = drawn[number]
                    labels[slot(length)] = 0
                    weights[slot(length)] = rate * np.float32(others)
                    length += 1
                state = draw_noise(noise, state, width, outputs, drawn)
            if middle + window_size + 2 < count:
                prefetch_row(outputs, kept[middle + window_size + 2] * np.int64(width), width)
            if middle + 1 < count:
                for number in range(word_ngrams.shape[1]):
                    row = word_ngrams[kept[middle + 1], number]
                    if row == 0:
                        break
                    prefetch_row(ngram_vectors, row * np.int64(width), width)
            tiles = fill_tiles(length, targets, weights)

            word = np.int64(kept[middle])
            parts = _compose(word, inputs, ngram_vectors, word_ngrams, width, ngrams, mean, 0)
            if windows % LOSS_EVERY == 0:
                loss[0] += window_loss(mean, 1, outputs, targets, tiles, labels, weights, rate, width)
                loss[1] += contexts
            windows += 1
            _learn(mean, here, error, outputs, targets, tiles, labels, weights, factors, width)
            here[0] = word * width
            add_to_rows(inputs, here, 0, 1, width, error)
            here[0] = 0
            add_to_rows(ngram_vectors, ngrams, 0, parts, width, error)
        document += 1
        start = end
