"""The heads that are the same for every family.

The one block that reads a config. A family's class is the mixin, the family's own `PreTrainedModel` and one line:

    class XForSequenceClassification(SequenceClassificationHead, XPreTrainedModel):
        backbone_class = XModel

The contract: `base_model_prefix` names the attribute that holds the backbone; the backbone's forward takes `input_ids`,
`attention_mask`, `inputs_embeds`, `output_hidden_states` and, as `<what>_ids`, what else the family's tokenizer gives
of each token, such as `character_ids`, which a head hands on. It returns `last_hidden_state (batch, length,
hidden_size)` and `pooler_output (batch, hidden_size)`, and `attentions` where it has any; the config has `hidden_size`,
`num_labels`, `problem_type` and `classifier_dropout`. Each head's parameters have a name of their own (`classifier`,
`tagger`): under one shared name, one head would load the other's weights without a word.
"""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput, TokenClassifierOutput
from transformers.utils.generic import can_return_tuple

# A plain mixin; only a type checker needs to know what stands behind it among the bases of a class.
if TYPE_CHECKING:
    _Mixin = PreTrainedModel
else:
    _Mixin = object


class _Head(_Mixin):
    """A backbone, and dropout on what comes out of it."""

    backbone_class: type[PreTrainedModel]

    # Trainer: the loss is a mean over this batch, so it must be divided when gradients are accumulated.
    accepts_loss_kwargs = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "backbone_class" in vars(cls):
            cls.forward = _naming_ids(cls.forward, cls.backbone_class.forward)

    def __init__(self, config):
        super().__init__(config)
        setattr(self, self.base_model_prefix, self.make_backbone(config))
        self.dropout = nn.Dropout(config.classifier_dropout)

    def make_backbone(self, config) -> PreTrainedModel:
        """The backbone; a family overrides this where a head leaves a part of it idle."""
        return self.backbone_class(config)

    def run_backbone(self, *args, **kwargs):
        """What the backbone makes of its inputs, always with names."""
        return getattr(self, self.base_model_prefix)(*args, **{**kwargs, "return_dict": True})

    def regularization(self, outputs) -> Tensor | float:
        """What the family adds to the loss, from the backbone's outputs: a scalar."""
        return 0.0


class SequenceClassificationHead(_Head):
    """Dropout and a linear layer on the text's vector: classes, several labels at once, or a regression."""

    def __init__(self, config):
        super().__init__(config)
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
            kwargs: what else the backbone reads of each token.
            labels: class ids `(batch,)`; floats `(batch, num_labels)` for several labels or a regression.

        Returns:
            `loss` (with labels) and `logits (batch, num_labels)`.
        """
        outputs = self.run_backbone(
            input_ids, attention_mask, inputs_embeds, output_hidden_states=output_hidden_states, **kwargs
        )
        logits = self.classifier(self.dropout(outputs.pooler_output))  # (batch, num_labels)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
            loss = loss + self.regularization(outputs)
        return SequenceClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class TokenClassificationHead(_Head):
    """Dropout and a linear layer on each token's vector."""

    def __init__(self, config):
        super().__init__(config)
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
            kwargs: what else the backbone reads of each token.
            labels: tag ids `(batch, length)`, -100 where there is nothing to learn.

        Returns:
            `loss` (with labels) and `logits (batch, length, num_labels)`.
        """
        outputs = self.run_backbone(
            input_ids, attention_mask, inputs_embeds, output_hidden_states=output_hidden_states, **kwargs
        )
        logits = self.tagger(self.dropout(outputs.last_hidden_state))  # (batch, length, num_labels)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, config=self.config)
            loss = loss + self.regularization(outputs)
        return TokenClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


def _naming_ids(forward: Callable, backbone_forward: Callable) -> Callable:
    """A head's forward whose signature also names the ids that only the backbone's does.

    They are among its `kwargs` anyway, but Trainer drops from a batch what the signature of a forward does not name.
    """
    own = signature(forward).parameters
    further = [
        parameter.replace(kind=Parameter.KEYWORD_ONLY)
        for name, parameter in signature(backbone_forward).parameters.items()
        if name.endswith("_ids") and name not in own
    ]

    @wraps(forward)
    def named(*args, **kwargs):
        return forward(*args, **kwargs)

    *positional, rest = own.values()
    shown: Any = named
    shown.__signature__ = signature(forward).replace(parameters=[*positional, *further, rest])
    return named
