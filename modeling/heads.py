"""The heads that are the same for every family.

The one block that reads a config. A family's class is the mixin, the family's own `PreTrainedModel` and one line:

    class XForSequenceClassification(SequenceClassificationHead, XPreTrainedModel):
        backbone_class = XModel

The contract: `base_model_prefix` names the attribute that holds the backbone; the backbone's forward takes `input_ids`,
`attention_mask`, `inputs_embeds` and `output_hidden_states` and returns `last_hidden_state (batch, length,
hidden_size)` and `pooler_output (batch, hidden_size)`; the config has `hidden_size`, `num_labels`, `problem_type` and
`classifier_dropout`. Each head's parameters have a name of their own (`classifier`, `tagger`): under one shared name,
one head would load the other's weights without a word.
"""

from typing import TYPE_CHECKING

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput, TokenClassifierOutput
from transformers.utils.generic import can_return_tuple

# A plain mixin; only a type checker needs to know what stands behind it among the bases of a class.
if TYPE_CHECKING:
    _Mixin = PreTrainedModel
else:
    _Mixin = object


class SequenceClassificationHead(_Mixin):
    """Dropout and a linear layer on the text's vector: classes, several labels at once, or a regression."""

    backbone_class: type[PreTrainedModel]

    # Trainer: the loss is a mean over this batch, so it must be divided when gradients are accumulated.
    accepts_loss_kwargs = False

    def __init__(self, config):
        super().__init__(config)
        setattr(self, self.base_model_prefix, self.backbone_class(config))
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> SequenceClassifierOutput:
        """Classify texts.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, width)`.
            attention_mask: 1 where there is a token, `(batch, length)`.
            labels: class ids `(batch,)`; floats `(batch, num_labels)` for several labels or a regression.

        Returns:
            `loss` (with labels) and `logits (batch, num_labels)`.
        """
        backbone = getattr(self, self.base_model_prefix)
        outputs = backbone(
            input_ids, attention_mask, inputs_embeds, output_hidden_states=output_hidden_states, return_dict=True
        )
        logits = self.classifier(self.dropout(outputs.pooler_output))  # (batch, num_labels)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)


class TokenClassificationHead(_Mixin):
    """Dropout and a linear layer on each token's vector."""

    backbone_class: type[PreTrainedModel]

    accepts_loss_kwargs = False

    def __init__(self, config):
        super().__init__(config)
        setattr(self, self.base_model_prefix, self.backbone_class(config))
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.tagger = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

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

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, width)`.
            attention_mask: 1 where there is a token, `(batch, length)`.
            labels: tag ids `(batch, length)`, -100 where there is nothing to learn.

        Returns:
            `loss` (with labels) and `logits (batch, length, num_labels)`.
        """
        backbone = getattr(self, self.base_model_prefix)
        outputs = backbone(
            input_ids, attention_mask, inputs_embeds, output_hidden_states=output_hidden_states, return_dict=True
        )
        logits = self.tagger(self.dropout(outputs.last_hidden_state))  # (batch, length, num_labels)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, config=self.config)
        return TokenClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)
