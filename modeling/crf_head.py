"""The tagging head that may have a conditional random field on top.

Like `heads`, and for the same reason, it reads a config: beside what `TokenClassificationHead` asks for,
`tag_decoder: Literal["softmax", "crf"]`, and the names of the tags in `id2label`.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers.modeling_outputs import TokenClassifierOutput
from transformers.utils.generic import can_return_tuple

from .crf import LinearChainCRF
from .embeddings import token_mask
from .heads import TokenClassificationHead
from .tag_constraints import first_forbidden, tag_constraints


@dataclass
class CRFTokenClassifierOutput(TokenClassifierOutput):
    """What a tagger with a CRF returns.

    Args:
        loss: negative log-likelihood for each token that has a tag, a scalar.
        logits: in training the emissions; else logarithms of the tags' probabilities, the best path's on top.
        hidden_states: of the backbone.
        attentions: of the backbone.
        tags: the best path, `(batch, length)`, -100 where padded; not in training.
        emissions: the score of each tag at each token, `(batch, length, num_labels)`.
    """

    tags: Tensor | None = None
    emissions: Tensor | None = None


class CRFTokenClassificationHead(TokenClassificationHead):
    """Dropout and a linear layer on each token's vector; with `tag_decoder="crf"`, a CRF over its scores.

    The family's `_init_weights` calls `module.reset_parameters()` for every `LinearChainCRF`.
    """

    def __init__(self, config):
        super().__init__(config)
        if config.tag_decoder == "crf":
            self.crf = LinearChainCRF(config.num_labels, tag_constraints(self._tag_names()))
            self.post_init()  # once more: what is new is initialised, and nothing else

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> TokenClassifierOutput:
        """Tag tokens.

        In eval mode the best path is found, and `logits` have it on top: whoever takes their argmax, as pipelines do,
        gets the path. They are the logarithms of the tags' probabilities, in which the tag of the path and the most
        probable tag have changed places; mostly they are the same. In training, where nobody asks, `logits` are the
        emissions.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, width)`.
            attention_mask: 1 where there is a token, `(batch, length)`.
            kwargs: what else the backbone reads of each token.
            labels: tag ids `(batch, length)`; -100 where there is nothing to learn, and where a CRF sums over all tags.

        Returns:
            `loss` (with labels) and `logits (batch, length, num_labels)`; with a CRF also `tags` and `emissions`.

        Raises:
            ValueError: for labels that are no tags, or that the scheme of their names forbids.
        """
        inputs = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "inputs_embeds": inputs_embeds,
            "output_hidden_states": output_hidden_states,
            **kwargs,
        }
        if self.config.tag_decoder != "crf":
            return super().forward(**inputs, labels=labels, return_dict=True)
        outputs = self.run_backbone(**inputs)
        emissions = self.tagger(self.dropout(outputs.last_hidden_state))  # (batch, length, num_labels)
        mask = token_mask(input_ids, attention_mask, inputs_embeds, self.config.pad_token_id)  # (batch, length)
        loss = None
        if labels is not None:
            loss = self._crf_loss(emissions, labels, mask) + self.regularization(outputs)
        logits, tags = emissions, None
        if not self.training:
            logits, tags = self._decode(emissions, mask)
        return CRFTokenClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            tags=tags,
            emissions=emissions,
        )

    def _crf_loss(self, emissions: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        # A mean over tagged tokens, as that of a softmax: so that halves of a batch add up to the whole.
        tagged = (labels != -100) & mask
        # Asking what is wrong would make a GPU wait; there, a forbidden sequence shows as an infinite loss.
        on_cpu = labels.device.type == "cpu" and not torch.compiler.is_compiling()
        if on_cpu:
            self._check_labels(labels, tagged)
        likelihood = self.crf.log_likelihood(emissions, labels, mask)  # (batch,)
        if on_cpu and bool((likelihood == float("-inf")).any()):
            self._explain_impossible(labels, mask)
        return -likelihood.sum() / tagged.sum().clamp(min=1)

    def _check_labels(self, labels: Tensor, tagged: Tensor) -> None:
        tags = self.crf.num_tags
        wrong = ((labels < 0) | (labels >= tags)) & tagged
        if bool(wrong.any()):
            row, column = wrong.nonzero()[0].tolist()
            raise ValueError(
                f"labels[{row}, {column}] is {int(labels[row, column])}, but must be at least 0 and below num_labels, "
                f"{tags}, or -100 for no tag"
            )

    def _explain_impossible(self, labels: Tensor, mask: Tensor) -> None:
        names = self._tag_names()
        for row in range(len(labels)):
            places = mask[row].nonzero().squeeze(1).tolist()
            ids = [int(labels[row, place]) for place in places]
            found = first_forbidden([None if tag == -100 else names[tag] for tag in ids], names)
            if found is not None:
                raise ValueError(
                    f"labels, sentence {row}, position {places[found.position]}: {found.reason} in the scheme that the "
                    f"names in id2label follow"
                )

    def _decode(self, emissions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits whose argmax is the best path, and the path."""
        tags = self.crf.viterbi(emissions, mask)  # (batch, length)
        logits = self.crf.log_marginals(emissions, mask).to(emissions.dtype)
        chosen = tags.clamp(min=0).unsqueeze(2)
        highest, place = logits.max(2, keepdim=True)
        logits = logits.scatter(2, place, logits.gather(2, chosen))
        # Half precision makes equals of near ones: the others stay strictly below.
        lower = highest - torch.finfo(logits.dtype).eps * highest.abs().clamp(min=1.0)
        logits = logits.minimum(lower).scatter(2, chosen, highest)
        return logits.masked_fill(~mask.unsqueeze(2), 0.0), tags

    def _tag_names(self) -> list[str]:
        return [name for _, name in sorted(cast(dict[int, str], self.config.id2label).items())]
