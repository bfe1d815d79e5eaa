"""What word2vec draws on a device, as Triton kernels: the numbers are those of `philox.py`, which explains them."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from . import philox

_KEEP_BITS = tl.constexpr(philox.KEEP_BITS)
_BLOCK = 1024


@triton.jit
def _philox(seed, positions, epoch, purpose):
    low, high = (positions & 0xFFFFFFFF).to(tl.uint32), (positions >> 32).to(tl.uint32)
    zero = low * 0
    return tl.philox(tl.cast(seed, tl.int64), low, high, zero + epoch.to(tl.uint32), zero + purpose.to(tl.uint32))


@triton.jit(do_not_specialize=["count", "start", "seed", "epoch"])
def _widths_kernel(words, widths, keep, count, start, window_size, seed, epoch, BLOCK: tl.constexpr):
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = index < count
    threshold = tl.load(keep + tl.load(words + index, mask=inside, other=0), mask=inside, other=0)
    positions = tl.cast(start, tl.int64) + index
    chance, width, _, _ = _philox(seed, positions, tl.cast(epoch, tl.int32), index * 0)
    width = 1 + tl.umulhi(width, (index * 0 + window_size).to(tl.uint32)).to(tl.int32)
    kept = (chance >> (32 - _KEEP_BITS)).to(tl.int32) < threshold
    tl.store(widths + index, tl.where(kept, width, 0), mask=inside)


@triton.jit(do_not_specialize=["count", "start", "seed", "epoch"])
def _noise_kernel(places, drawn, noise, count, start, rows, seed, epoch, NEGATIVES: tl.constexpr, BLOCK: tl.constexpr):
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = index < count
    window, number = index // NEGATIVES, index % NEGATIVES
    positions = tl.cast(start, tl.int64) + tl.load(places + window, mask=inside, other=0)
    slot, chance, _, _ = _philox(seed, positions, tl.cast(epoch, tl.int32), 1 + number)
    slot = tl.umulhi(slot, (index * 0 + rows).to(tl.uint32)).to(tl.int32)
    threshold, other = tl.load(noise + 2 * slot), tl.load(noise + 2 * slot + 1)
    own = (chance >> (32 - _KEEP_BITS)).to(tl.int32) < threshold
    tl.store(drawn + index, tl.where(own, slot, other), mask=inside)


def draw_widths(words: Tensor, start: int, keep: Tensor, window_size: int, seed: int, epoch: int) -> Tensor:
    """`philox.draw_widths` in one launch."""
    widths = torch.empty_like(words)
    grid = (triton.cdiv(len(words), _BLOCK),)
    _widths_kernel[grid](words, widths, keep, len(words), start, window_size, seed, epoch, BLOCK=_BLOCK)
    return widths


def draw_noise(places: Tensor, start: int, noise: Tensor, num_negatives: int, seed: int, epoch: int) -> Tensor:
    """`philox.draw_noise` in one launch."""
    drawn = places.new_empty((len(places), num_negatives))
    grid = (triton.cdiv(drawn.numel(), _BLOCK),)
    if drawn.numel():
        _noise_kernel[grid](
            places, drawn, noise, drawn.numel(), start, len(noise), seed, epoch, NEGATIVES=num_negatives, BLOCK=_BLOCK
        )
    return drawn
