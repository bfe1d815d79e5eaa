"""How a token knows its place in a text: vectors that are added, of sines or learnt, or a rotation of what is compared.

Vaswani et al. 2017, section 3.5 (sinusoidal); Gehring et al. 2017 (learned); Su et al. 2021, "RoFormer" (rotary).
"""

import math

import torch
from torch import Tensor, nn

Rotation = tuple[Tensor, Tensor]


def number_tokens(mask: Tensor | None, length: int, past_length: int, device: torch.device) -> Tensor:
    """The place of each token among the tokens of its row, padding left out.

    Args:
        mask: where there is a token, `(batch, past_length + length)`; `None` when there is one everywhere.
        length: tokens to number.
        past_length: tokens that were read before.
        device: where to.

    Returns:
        `(batch, length)`, or `(1, length)` without a mask; 0 for padding in front.
    """
    if mask is None:
        return torch.arange(past_length, past_length + length, device=device).unsqueeze(0)
    places = mask.long().cumsum(1).sub(1).clamp(min=0)
    return places[:, places.shape[1] - length :]


class Positions(nn.Module):
    """Adds its place to each word, or gives the rotation that attention is to make.

    Args:
        position_type: `sinusoidal`, `learned` or `rotary`.
        hidden_size: width of a word.
        head_size: width of an attention head, even for `rotary`.
        max_positions: places that `learned` has.
        rotary_base: ratio of the slowest to the quickest turn.
    """

    def __init__(
        self, position_type: str, hidden_size: int, head_size: int, max_positions: int = 512, rotary_base: float = 1e4
    ):
        super().__init__()
        self.position_type, self.head_size, self.rotary_base = position_type, head_size, rotary_base
        if position_type == "learned":
            self.position_embeddings = nn.Embedding(max_positions, hidden_size)

    def forward(self, words: Tensor, places: Tensor) -> tuple[Tensor, Rotation | None]:
        """Put words in their places.

        Args:
            words: `(batch, length, hidden_size)`.
            places: `(batch, length)` or `(1, length)`.

        Returns:
            The words, and for `rotary` cosines and sines `(batch, 1, length, head_size)`, else `None`.

        Raises:
            ValueError: for a place that no vector was learnt for.
        """
        if self.position_type == "rotary":
            return words, rotary_angles(places, self.head_size, self.rotary_base, words.dtype)
        if self.position_type == "learned":
            return words + self._look_up(places), None
        # Word vectors begin small beside sines: section 3.4 multiplies them.
        width = words.shape[-1]
        return words * math.sqrt(width) + sinusoidal_positions(places, width).to(words.dtype), None

    def _look_up(self, places: Tensor) -> Tensor:
        known = self.position_embeddings.num_embeddings
        # Places are fewer than columns where there is padding, but only then is it worth a look at their numbers.
        if not torch.compiler.is_compiling() and places.numel() and int(places.max()) >= known:
            raise ValueError(
                f"a text has {int(places.max()) + 1} tokens, but max_position_embeddings is {known}: cut the text, or "
                "train a model whose position_type is rotary or sinusoidal"
            )
        return self.position_embeddings(places)


def sinusoidal_positions(places: Tensor, width: int) -> Tensor:
    """Sines and cosines of wavelengths from `2 pi` to `10000 * 2 pi`: `(...)` to `(..., width)`, float32.

    Sine and cosine of a frequency stand side by side, as in the paper; an odd width ends in a sine.
    """
    angles = _angles(places, width + width % 2, 10000.0)  # (..., (width + 1) / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[..., :width]


def rotary_angles(places: Tensor, head_size: int, base: float, dtype: torch.dtype) -> Rotation:
    """Cosines and sines of how far each component turns: `(batch, length)` to `(batch, 1, length, head_size)` each."""
    angles = _angles(places, head_size, base).unsqueeze(1)  # (batch, 1, length, head_size / 2)
    cosines, sines = angles.cos().to(dtype), angles.sin().to(dtype)
    return torch.cat([cosines, cosines], dim=-1), torch.cat([-sines, sines], dim=-1)


def rotate(states: Tensor, rotation: Rotation) -> Tensor:
    """Turn the pairs of components `(i, i + head_size / 2)`: `(batch, heads, length, head_size)` to the same."""
    cosines, sines = rotation
    half = states.shape[-1] // 2
    return states * cosines + states.roll(half, dims=-1) * sines


def _angles(places: Tensor, width: int, base: float) -> Tensor:
    # Made anew in float32: half precision cannot tell 2049 from 2048, and a buffer would be lost in loading.
    exponents = torch.arange(0, width, 2, dtype=torch.float32, device=places.device) / width
    return places.unsqueeze(-1) * torch.exp(exponents * -math.log(base))
