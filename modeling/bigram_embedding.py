"""Vectors of pairs of adjacent tokens, beside those of the tokens: what a single Chinese character leaves open.

Chen et al. 2015, "Long Short-Term Memory Neural Networks for Chinese Word Segmentation" (EMNLP), section 4.3; Zhang &
Yang 2018, "Chinese NER Using Lattice LSTM" (ACL), section 3.1.2 (`char + bichar`). Here pairs are hashed, so that there
is no vocabulary of them: the buckets are those of `hash_bigrams`.
"""

import torch
from torch import Tensor, nn

from .word_bigrams import hash_bigrams


class BigramEmbedding(nn.Module):
    """For each token the vector of the pair that it ends and of the pair that it begins, side by side.

    Args:
        num_buckets: how many vectors there are.
        width: of a pair's vector.
    """

    def __init__(self, num_buckets: int, width: int):
        super().__init__()
        self.buckets = nn.Embedding(num_buckets, width)

    def forward(self, input_ids: Tensor | None, mask: Tensor) -> Tensor:
        """Look pairs up.

        Args:
            input_ids: token ids, `(batch, length)`; without them nothing is known of pairs.
            mask: true where there is a token, `(batch, length)`; one position longer than a text of no tokens.

        Returns:
            `(batch, length, 2 * width)`, zero where there is no pair.
        """
        table = self.buckets
        if input_ids is None or input_ids.shape[1] == 0:
            return table.weight.new_zeros(*mask.shape, 2 * table.embedding_dim)
        ends, ended = hash_bigrams(input_ids.long(), mask, table.num_embeddings)  # (batch, length)
        # The pair that a token begins is the one that the next token ends, wherever that stands: seen from the end,
        # the latest one before.
        places = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)  # (batch, length)
        latest = places.where(mask.flip(1), -1).cummax(1).values
        following = nn.functional.pad(latest[:, :-1], (1, 0), value=-1)
        begins = ends.flip(1).gather(1, following.clamp(min=0)).flip(1)
        pairs = torch.stack([ends, begins], dim=2)  # (batch, length, 2)
        known = torch.stack([ended, mask & (following >= 0).flip(1)], dim=2).unsqueeze(-1)
        return table(pairs).masked_fill(~known, 0.0).flatten(2)
