"""What a decoder reads in training: the target, one place to the right."""

from torch import Tensor


def shift_right(labels: Tensor, pad_token_id: int | None, start_token_id: int | None) -> Tensor:
    """The start token and all labels but the last one: `(batch, length)` to the same.

    Args:
        labels: the target, -100 where there is nothing to learn.
        pad_token_id: what stands there in place of -100.
        start_token_id: what stands before the first word.

    Raises:
        ValueError: when there is no start token.
    """
    if start_token_id is None:
        raise ValueError("decoder_start_token_id is None, but a target needs something before its first word")
    shifted = labels.new_full(labels.shape, start_token_id)
    shifted[:, 1:] = labels[:, :-1].masked_fill(labels[:, :-1] == -100, pad_token_id or 0)
    return shifted
