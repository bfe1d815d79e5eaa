"""word2vec on a GPU: programs side by side walk a stretch of text, a window at a time.

Skip-gram and CBOW with negative sampling (Mikolov et al. 2013b, section 2.2); one set of noise words serves a window
(Ji et al. 2016, arXiv 1604.04661). All gradients of a window are those at its beginning.

What was weighed for speed:

- One warp is one window. Its targets (output rows) are read once and stay in registers as a `(targets, width)` tile,
  with the sum of their steps beside them, which leaves at the end by atomic additions. Contexts of skip-gram come one
  by one: only those that exist cost anything, where a tile of them would be padded from 6 on average to 16.
- Sums of products, and not `tl.dot`. A window is a product of about 6 by 6 rows: it would fill an eighth of the tiles
  of tensor cores, in TF32, and each of its three products wants another layout. Compiled for an H100, a context takes
  about 250 instructions here; `tl.dot` in fp32 or 3xTF32 spills its registers. Here a row lies across the lanes of a
  warp for its whole life, and a score is a butterfly of five shuffles.
- Rows are read from the second-level cache (`.cg`). The first one does not see what other multiprocessors add, and
  would go on serving the row of a frequent word as it was long ago.
- Contexts are read anew for each window. FULL-W2V (arXiv 2312.07743) holds them on chip while windows reach them, which
  saves less than half of the bytes; but bytes do not bound this kernel (6 + 6 rows in and out are 10 kB at width 100,
  and the cache moves over 5 TB/s), and rows held back for `2 * window_size + 1` windows would be that much older for
  all other programs. Few windows in flight is what quality needs.
- The next context's row, and the next window's words, are on their way while this one is computed.
"""

import triton
import triton.language as tl


@triton.jit
def _score_loss(score, labels, counted):
    """`-log s(score)` of the label 1 and `-log s(-score)` of the label 0, summed."""
    signed = tl.where(labels > 0, -score, score)
    return tl.sum(tl.where(counted, tl.maximum(signed, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(signed))), 0.0), 0)


@triton.jit
def _targets(words, noise, middle, first, slots, NEGATIVES: tl.constexpr):
    """The word in the middle, and its noise words; of which those that are that word do not count."""
    word = tl.load(words + middle)
    drawn = (slots >= 1) & (slots <= NEGATIVES)
    noise += tl.cast(middle - first, tl.int64) * NEGATIVES
    targets = tl.where(slots == 0, word, tl.load(noise + slots - 1, mask=drawn, other=0))
    return targets, (slots == 0) | (drawn & (targets != word))


@triton.jit
def _contexts(words, documents, middle, reach, slots):
    """The words around, in the order of the text without the middle; and which of them there are."""
    at = middle - reach + slots + (slots >= reach).to(tl.int32)
    near = slots < 2 * reach
    near &= tl.load(documents + at, mask=near, other=-1) == tl.load(documents + middle)
    return tl.load(words + at, mask=near, other=0), near


@triton.jit
def _row(table, word, stride, columns, inside, needed):
    mask = tl.where(needed, inside, False)  # the interpreter has no & of a number and a block
    return tl.load(table + word.to(tl.int64) * stride + columns, mask=mask, other=0.0, cache_modifier=".cg")


@triton.jit
def _share(first, last):
    """The windows of this program: it reads on where the one before it stops."""
    program, programs, count = tl.program_id(0), tl.num_programs(0), tl.cast(last - first, tl.int64)
    return first + (count * program // programs).to(tl.int32), first + (count * (program + 1) // programs).to(tl.int32)


# What changes from stretch to stretch must not make it compile again.
_FREE = ["first", "last", "loss_every"]


@triton.jit(do_not_specialize=_FREE)
def skipgram_kernel(
    inputs,
    outputs,
    words,
    documents,
    places,
    widths,
    noise,
    first,
    last,
    rate,
    slope,
    floor,
    loss_every,
    losses,
    INPUT_STRIDE: tl.constexpr,
    OUTPUT_STRIDE: tl.constexpr,
    WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
    NEGATIVES: tl.constexpr,
    TARGETS: tl.constexpr,
    CONTEXTS: tl.constexpr,
):
    """Train on the windows around words[first:last], each program on its share of them, in order.

    Args:
        inputs, outputs: float32, rows INPUT_STRIDE and OUTPUT_STRIDE apart: constants, so that the compiler sees when
            four floats can be read at once.
        words, documents, places, widths: of a `Stretch`.
        noise: int32 (last - first, NEGATIVES).
        rate, slope, floor: the learning rate is `max(rate - slope * place, floor)`.
        loss_every: measure the loss in the windows around every so-many-th place.
        losses: float32 (programs, 2): sum of losses, and how many predictions.
        COLUMNS, TARGETS, CONTEXTS: powers of two not below WIDTH, 1 + NEGATIVES, 2 * window_size.
    """
    begin, end = _share(first, last)
    columns, slots, around = tl.arange(0, COLUMNS), tl.arange(0, TARGETS), tl.arange(0, CONTEXTS)
    inside = columns < WIDTH
    labels = tl.where(slots == 0, 1.0, 0.0)
    loss, predictions = 0.0, 0.0
    if begin < end:
        next_targets, next_counted = _targets(words, noise, begin, first, slots, NEGATIVES)
        for middle in range(begin, end):
            targets, counted = next_targets, next_counted
            target_rows = targets[:, None].to(tl.int64) * OUTPUT_STRIDE + columns[None, :]
            target_mask = counted[:, None] & inside[None, :]
            tile = tl.load(outputs + target_rows, mask=target_mask, other=0.0, cache_modifier=".cg")
            steps = tl.zeros((TARGETS, COLUMNS), tl.float32)

            reach, place = tl.load(widths + middle), tl.load(places + middle)
            contexts, near = _contexts(words, documents, middle, reach, around)
            speed = tl.maximum(rate - slope * place, floor)
            measured = place % loss_every == 0
            next_targets, next_counted = _targets(
                words, noise, tl.minimum(middle + 1, end - 1), first, slots, NEGATIVES
            )

            # Those of the document have no gap.
            left = tl.sum((near & (around < reach)).to(tl.int32), 0)
            right = tl.sum((near & (around >= reach)).to(tl.int32), 0)
            next_word = tl.load(words + middle - left + (left == 0).to(tl.int32))
            next_row = _row(inputs, next_word, INPUT_STRIDE, columns, inside, left + right > 0)
            for slot in range(reach - left, reach + right):
                word, row = next_word, next_row
                more = slot + 1 < reach + right
                next_word = tl.load(words + middle - reach + slot + 1 + (slot + 1 >= reach).to(tl.int32))
                next_row = _row(inputs, next_word, INPUT_STRIDE, columns, inside, more)
                # A word that occurs several times in the window has the same gradient each time: it is taken at its
                # first place for all of them, since at the next one its row would have changed.
                same = near & (contexts == word)
                times = tl.sum(same.to(tl.int32), 0)
                earlier = tl.sum((same & (around < slot)).to(tl.int32), 0)
                if earlier == 0:
                    # -0.0 is what leaves a sum as it is: columns beyond the width then cost no instruction.
                    score = tl.sum(tl.where(inside[None, :], tile * row[None, :], -0.0), 1)  # (TARGETS,)
                    error = tl.where(counted, speed * times * (labels - tl.sigmoid(score)), 0.0)
                    tl.atomic_add(
                        inputs + word.to(tl.int64) * INPUT_STRIDE + columns,
                        tl.sum(error[:, None] * tile, 0),
                        mask=inside,
                        sem="relaxed",
                    )
                    steps += error[:, None] * row[None, :]
                    if measured:
                        loss += times * _score_loss(score, labels, counted)
                        predictions += times
            tl.atomic_add(outputs + target_rows, steps, mask=target_mask, sem="relaxed")
    tl.store(losses + 2 * tl.program_id(0), loss)
    tl.store(losses + 2 * tl.program_id(0) + 1, predictions)


@triton.jit(do_not_specialize=_FREE)
def cbow_kernel(
    inputs,
    outputs,
    words,
    documents,
    places,
    widths,
    noise,
    first,
    last,
    rate,
    slope,
    floor,
    loss_every,
    losses,
    INPUT_STRIDE: tl.constexpr,
    OUTPUT_STRIDE: tl.constexpr,
    WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
    NEGATIVES: tl.constexpr,
    TARGETS: tl.constexpr,
    MEAN_GRADIENT: tl.constexpr,
):
    """`skipgram_kernel` for CBOW.

    Args:
        MEAN_GRADIENT: give each context its share of the error, and not all of it.
    """
    GROUP: tl.constexpr = 8  # contexts at a time: most windows have no more, and their rows still fit into registers
    begin, end = _share(first, last)
    columns, slots, group = tl.arange(0, COLUMNS), tl.arange(0, TARGETS), tl.arange(0, GROUP)
    inside = columns < WIDTH
    labels = tl.where(slots == 0, 1.0, 0.0)
    loss, predictions = 0.0, 0.0
    if begin < end:
        next_targets, next_counted = _targets(words, noise, begin, first, slots, NEGATIVES)
        for middle in range(begin, end):
            targets, counted = next_targets, next_counted
            target_rows = targets[:, None].to(tl.int64) * OUTPUT_STRIDE + columns[None, :]
            target_mask = counted[:, None] & inside[None, :]
            tile = tl.load(outputs + target_rows, mask=target_mask, other=0.0, cache_modifier=".cg")
            reach, place = tl.load(widths + middle), tl.load(places + middle)
            speed = tl.maximum(rate - slope * place, floor)
            measured = place % loss_every == 0
            next_targets, next_counted = _targets(
                words, noise, tl.minimum(middle + 1, end - 1), first, slots, NEGATIVES
            )

            mean, count = tl.zeros((COLUMNS,), tl.float32), 0
            for start in range(0, 2 * reach, GROUP):
                contexts, near = _contexts(words, documents, middle, reach, start + group)
                context_rows = contexts[:, None].to(tl.int64) * INPUT_STRIDE + columns[None, :]
                context_mask = near[:, None] & inside[None, :]
                rows = tl.load(inputs + context_rows, mask=context_mask, other=0.0, cache_modifier=".cg")
                mean += tl.sum(rows, 0)
                count += tl.sum(near.to(tl.int32), 0)
            if count > 0:
                mean /= count
                score = tl.sum(tl.where(inside[None, :], tile * mean[None, :], -0.0), 1)  # (TARGETS,)
                error = tl.where(counted, speed * (labels - tl.sigmoid(score)), 0.0)
                step = tl.sum(error[:, None] * tile, 0)
                if MEAN_GRADIENT:
                    step /= count
                tl.atomic_add(outputs + target_rows, error[:, None] * mean[None, :], mask=target_mask, sem="relaxed")
                for start in range(0, 2 * reach, GROUP):
                    contexts, near = _contexts(words, documents, middle, reach, start + group)
                    context_rows = contexts[:, None].to(tl.int64) * INPUT_STRIDE + columns[None, :]
                    context_mask = near[:, None] & inside[None, :]
                    steps = tl.broadcast_to(step[None, :], (GROUP, COLUMNS))
                    tl.atomic_add(inputs + context_rows, steps, mask=context_mask, sem="relaxed")
                if measured:
                    loss += _score_loss(score, labels, counted)
                    predictions += 1.0
    tl.store(losses + 2 * tl.program_id(0), loss)
    tl.store(losses + 2 * tl.program_id(0) + 1, predictions)
