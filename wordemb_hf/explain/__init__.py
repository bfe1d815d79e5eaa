"""What a model looked at when it answered: one text, and a picture for each family that has one.

A classifier that is linear in its words is taken apart exactly; TextCNN by the windows that its filters fired on; LSTMs
show their gates, and whatever returns `attentions` or `cross_attentions` shows these.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..messages import translate

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .panels import Panel

SUFFIXES = (".html", ".png")


def check_picture(path: Path, texts: int) -> None:
    """Refuse a picture that cannot be drawn, before any work is done.

    Raises:
        UserError: for another suffix, or more than one text.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"explain is {path}, but must end in .html or .png")
    if texts != 1:
        raise UserError(f"explain draws what one text is made of, but {texts} are given: name one")


def explain(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", text: str) -> "tuple[str, list[Panel]]":
    """A sentence on the answer, empty where there is none, and pictures of what it came from.

    Raises:
        UserError: for a text without a token, or a model that nothing is drawn of.
    """
    import torch

    from .alignment import alignment_panels, attention_panels
    from .decision import decision_of
    from .gates import gate_panels
    from .linear import bag_highlights, mean_highlights
    from .reading import read
    from .windows import window_highlights

    reading = read(tokenizer, text, model.device)
    model.eval()
    linear = {"BowForSequenceClassification": bag_highlights, "Word2VecForSequenceClassification": mean_highlights}
    explainer = {**linear, "TextCNNForSequenceClassification": window_highlights}.get(type(model).__name__)
    sentence, panels = "", []
    with torch.inference_mode():
        if explainer is not None:
            decision = decision_of(model, model(**reading.inputs).logits[0])
            return decision.sentence, explainer(model, reading, decision)
        if model.config.is_encoder_decoder:
            return alignment_panels(model, tokenizer, reading)
        if type(model).__name__.endswith("ForSequenceClassification"):
            sentence = decision_of(model, model(**reading.inputs).logits[0]).sentence
        panels = [*attention_panels(model, reading), *gate_panels(model, reading)]
    if not panels:
        raise UserError(
            f"{type(model).__name__} has no explanation: classifiers of bow, word2vec and textcnn have one, and so do "
            "LSTMs and models with attention"
        )
    return sentence, panels


def draw(sentence: str, panels: "list[Panel]", path: Path) -> None:
    """Write pictures as one file that needs no other, whole or not at all, and say where it is."""
    if path.suffix == ".html":
        from .page import write_panels

        write_panels(sentence, panels, path)
    else:
        from .drawing import write_drawing

        write_drawing(sentence, panels, path)
    print(translate("What the answer came from is drawn in {file}.", file=path))
