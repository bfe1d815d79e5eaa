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
        # The pair that a token begins is the one that the next token ends, wherever that stands.
        length = mask.shape[1]
        places = torch.arange(length, device=mask.device).expand_as(mask)
        # (batch, length): the token from here on. The least of what follows, as a largest: ONNX has no cummin.
        nearest = -(-places.where(mask, length)).flip(1).cummax(1).values.flip(1)
        behind = nn.functional.pad(nearest[:, 1:], (0, 1), value=length)
        begins = ends.gather(1, behind.clamp(max=length - 1))
        pairs = torch.stack([ends, begins], dim=2)  # (batch, length, 2)
        known = torch.stack([ended, mask & (behind < length)], dim=2).unsqueeze(-1)
        return table(pairs).masked_fill(~known, 0.0).flatten(2)
