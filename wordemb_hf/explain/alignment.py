"""Attention: which tokens of a text others looked at, as `attentions` and `cross_attentions` of any model tell it."""

from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ..messages import translate
from ..tokenizer_kinds import SPACE
from .panels import Highlights, Matrix, Panel
from .reading import Reading

NEW_TOKENS = 128


def attention_panels(model: Any, reading: Reading) -> list[Panel]:
    """The weights of an attention pooling over the words, or the attention of each layer, the mean over its heads."""
    layers = _with_attentions(model, reading.inputs).get("attentions") or ()
    panels: list[Panel] = []
    for number, layer in enumerate(layers, 1):
        weights = layer[0].float().cpu()
        if weights.dim() == 2:  # (hops, length): one text vector, not one for each token
            title = translate("Attention: how much each word counts")
            panels.append(Highlights(title, reading.words, weights.mean(0).numpy()))
            if len(weights) > 1:
                rows = [str(hop) for hop in range(1, len(weights) + 1)]
                panels.append(Matrix(translate("Attention of each hop"), rows, reading.words, weights.numpy()))
        else:
            title = translate("Attention of layer {number}, from rows to columns", number=number)
            panels.append(Matrix(title, reading.words, reading.words, weights.mean(0).numpy()))
    return panels


def alignment_panels(model: Any, tokenizer: PreTrainedTokenizerBase, reading: Reading) -> tuple[str, list[Panel]]:
    """What an encoder and decoder writes, and where each token of it looked: the last layer, the mean of its heads."""
    written = model.generate(**reading.inputs, max_new_tokens=NEW_TOKENS)
    outputs = _with_attentions(model, {**reading.inputs, "decoder_input_ids": written[:, :-1]})
    layers = [layer[0].float().cpu() for layer in outputs.get("cross_attentions") or ()]
    sentence = tokenizer.batch_decode(written, skip_special_tokens=True)[0]
    if not layers:
        return sentence, []
    tokens = [*tokenizer.convert_ids_to_tokens(written[0, 1:].tolist())]
    target = [token.removeprefix(SPACE) or token for token in tokens]
    title = translate("Alignment: where the model looked when it wrote each row")
    return sentence, [Matrix(title, target, reading.words, alignment(layers[-1]).numpy())]


def alignment(weights: Tensor) -> Tensor:
    """From the weights of heads, or of a single one without a dimension for it, to `(target, source)`."""
    return weights.mean(0) if weights.dim() == 3 else weights


def _with_attentions(model: Any, inputs: dict[str, Tensor]) -> Any:
    """What the model returns with its attentions, for which a fused kernel has none."""
    kept = model.config._attn_implementation
    fused = model._supports_sdpa and kept != "eager"
    if fused:
        model.set_attn_implementation("eager")
    try:
        return model(**inputs, output_attentions=True)
    finally:
        if fused:
            model.set_attn_implementation(kept)
