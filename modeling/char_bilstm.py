"""A vector for a word from its characters: what an LSTM knows at the end of the word, and another at its beginning.

Lample et al. 2016, "Neural Architectures for Named Entity Recognition" (NAACL), section 4.1.
"""

import torch
from torch import Tensor, nn

from .spelling import NUM_CHARACTERS, PADDING


class CharacterBiLSTM(nn.Module):
    """Words by their characters, read forwards and backwards.

    Neither 0 nor padding is a character: a word reads the same however long its row is.

    Args:
        embedding_size: width of a character's vector.
        hidden_size: width of a direction's state.
        num_characters: different characters.
        padding: the one that stands behind the last character of a short word.
    """

    def __init__(
        self,
        embedding_size: int,
        hidden_size: int,
        num_characters: int = NUM_CHARACTERS,
        padding: int = PADDING,
    ):
        super().__init__()
        self.padding = padding
        self.embeddings = nn.Embedding(num_characters, embedding_size)
        self.forward_layer = nn.LSTM(embedding_size, hidden_size, batch_first=True)
        self.backward_layer = nn.LSTM(embedding_size, hidden_size, batch_first=True)

    def forward(self, character_ids: Tensor) -> Tensor:
        """Read words.

        Args:
            character_ids: `(..., characters)`; what is no character stands behind those that are.

        Returns:
            `(..., 2 * hidden_size)`: the state behind the last character, then that of the way back behind the first;
            zeros for a word without characters.
        """
        words = character_ids.flatten(0, -2)  # (words, characters)
        if torch.compiler.is_compiling():  # how many words differ, and their length, would each break the graph
            vectors = self._read(words)
        else:
            words, which = words.unique(dim=0, return_inverse=True)
            longest = int(self._present(words).sum(1).amax()) if len(words) else 0
            vectors = self._read(words[:, : max(longest, 1)])[which]
        return vectors.unflatten(0, character_ids.shape[:-1])

    def _present(self, words: Tensor) -> Tensor:
        return (words != 0) & (words != self.padding)

    def _read(self, words: Tensor) -> Tensor:
        """`(words, characters)` to `(words, 2 * hidden_size)`."""
        lengths = self._present(words).sum(1, keepdim=True)  # (words, 1)
        last = (lengths - 1).clamp(min=0)
        places = torch.arange(words.shape[1], device=words.device)  # (characters,)
        backwards = words.gather(1, (last - places).clamp(min=0))  # (words, characters)
        onward, _ = self.forward_layer(self.embeddings(words))  # (words, characters, hidden_size)
        back, _ = self.backward_layer(self.embeddings(backwards))
        states = torch.cat([onward, back], dim=-1)
        ends = states.take_along_dim(last.unsqueeze(-1), dim=1).squeeze(1)  # (words, 2 * hidden_size)
        return ends.masked_fill(lengths == 0, 0.0)
