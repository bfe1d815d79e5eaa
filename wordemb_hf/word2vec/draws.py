"""What the kernels of word2vec share: the tables, what is drawn, what a window predicts, and its loss.

Sub-sampling and noise words are those of Mikolov et al. 2013b, sections 2.2 and 2.3; one set of noise words serves all
of a window (Ji et al. 2016). All randomness of a stretch of text comes from its seed, so that it does not matter which
thread works on it.
"""

from typing import NamedTuple

import numpy as np

from .compiled import compiled, inlined
from .tiles import LANES, TARGETS, prefetch_row

LONGEST = 1 << 14  # words of a stretch, at most
LOSS_EVERY = 64  # windows: the loss is measured on some of them, which costs next to nothing

# Knuth's generator modulo 2**64 (MMIX).
_FACTOR, _SUMMAND, _HALF = np.uint64(6364136223846793005), np.uint64(1442695040888963407), np.uint64(32)


class Tables(NamedTuple):
    """What is learnt, each `(rows * width,)`, its rows padded to a multiple of eight floats.

    Args:
        inputs: vectors of words.
        outputs: vectors of the words to predict, or of the inner nodes of the Huffman tree.
        ngrams: vectors of hashed n-grams; empty without.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    ngrams: np.ndarray


class Draws(NamedTuple):
    """What is drawn, and from what.

    Args:
        keep: uint32 (vocabulary,): a word stays if 32 random bits are not above it.
        noise: uint32 (vocabulary, 2), Walker's alias table: a threshold for 32 random bits, and the word above it.
        codes: int8 (vocabulary, longest): turns on the way from the root of the Huffman tree, -1 behind the end.
        paths: int32 (vocabulary, longest): the nodes where they are taken.
        word_ngrams: int32 (vocabulary, most): rows of a word's n-grams, 0 behind the last.
    """

    keep: np.ndarray
    noise: np.ndarray
    codes: np.ndarray
    paths: np.ndarray
    word_ngrams: np.ndarray


@inlined
def advance(state):
    """The next state of the generator; the upper half is what is random."""
    return state * _FACTOR + _SUMMAND


@inlined
def below(state, count):
    """A number below `count` from a state."""
    return ((state >> _HALF) * count) >> _HALF


@compiled
def thin_out(ids, start, stop, keep, state, kept):
    """Copy the words of ids[start:stop] that stay to `kept`; how many there are, and the next state."""
    count = 0
    for place in range(start, stop):
        word = ids[place]
        state = advance(state)
        kept[count] = word
        count += 1 if (state >> _HALF) <= keep[word] else 0
    return count, state


@inlined
def draw_noise(noise, state, width, outputs, drawn):
    """Draw noise words for the next window, as starts of their rows."""
    vocabulary = np.uint64(noise.shape[0])
    for number in range(len(drawn)):
        state = advance(state)
        word = below(state, vocabulary)
        state = advance(state)
        row = np.int64(word) if (state >> _HALF) < noise[word, 0] else np.int64(noise[word, 1])
        drawn[number] = row * width
        prefetch_row(outputs, row * width, width)
    return state


@inlined
def slot(number):
    """Where the value of a word to predict stands among tiles of eight lanes."""
    return number // TARGETS * LANES + number % TARGETS


@inlined
def set_noise_targets(word, drawn, width, rate, targets, weights):
    """The word itself and its noise words; one that is the word itself does not count."""
    targets[0] = word * width
    weights[0] = rate
    for number in range(len(drawn)):
        targets[number + 1] = drawn[number]
        weights[slot(number + 1)] = rate if drawn[number] != targets[0] else np.float32(0.0)
    return (len(drawn) + TARGETS) // TARGETS


@inlined
def add_path(word, codes, paths, width, rate, targets, labels, weights, length):
    """Put the nodes on the way to a word behind `length` others; the label is 1 for the turn 0, as in word2vec.c."""
    turn = 0
    while turn < codes.shape[1] and codes[word, turn] >= 0:
        targets[length] = paths[word, turn] * np.int64(width)
        labels[slot(length)] = 1 - codes[word, turn]
        weights[slot(length)] = rate
        turn += 1
        length += 1
    return length


@inlined
def fill_tiles(length, targets, weights):
    """Fill the last tile with rows that are at hand and do not count; how many tiles there are."""
    tiles = (length + TARGETS - 1) // TARGETS
    for number in range(length, tiles * TARGETS):
        targets[number] = targets[0]
        weights[slot(number)] = 0
    return tiles


@inlined
def set_path_targets(word, codes, paths, width, rate, targets, labels, weights):
    """The nodes on the way to one word."""
    return fill_tiles(add_path(word, codes, paths, width, rate, targets, labels, weights, 0), targets, weights)


@compiled
def window_loss(contexts, count, outputs, targets, tiles, labels, weights, rate, width):
    """Sum over contexts of -log s(+-product) of all words to predict; before anything is changed."""
    total = 0.0
    for context in range(count):
        for tile in range(tiles):
            for lane in range(TARGETS):
                weight = weights[tile * LANES + lane]
                if weight == 0:
                    continue
                start = targets[tile * TARGETS + lane]
                product = np.float32(0.0)
                for at in range(width):
                    product += contexts[context * width + at] * outputs[start + at]
                signed = -product if labels[tile * LANES + lane] > 0 else product
                total += (max(signed, 0.0) + np.log1p(np.exp(-abs(signed)))) * weight / rate
    return total
