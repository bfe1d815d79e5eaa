"""The jobs of language models: to go on with a text, or to fill in a missing word; and how well they predict."""

from typing import TYPE_CHECKING, Any

from ..corpus import read_texts
from ..errors import UserError
from ..families import PRETRAINING
from ..messages import translate
from ..modeling import FAMILIES
from ..splits import test_part

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

# Endings of class names, and the Auto class that loads them.
AUTO_CLASSES = {
    "ForCausalLM": "AutoModelForCausalLM",
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForPreTraining": "AutoModelForPreTraining",
}
NEW_TOKENS = 40


def predicts_words(architecture: str) -> bool:
    """Whether a class of this name is a language model; word2vec's objective predicts words, but not in a text."""
    family = next((family for family, names in FAMILIES.items() if architecture in names), None)
    return (
        family in PRETRAINING
        and PRETRAINING[family].objective != "windows"
        and architecture.endswith(tuple(AUTO_CLASSES))
    )


class LanguageJob:
    """The part of `Job` that a model needs to be used and measured: it has no labels to be trained on.

    Args:
        architecture: the class of the model.
    """

    noun = "language model"

    def __init__(self, architecture: str):
        self.auto_class = next(auto for ending, auto in AUTO_CLASSES.items() if architecture.endswith(ending))

    def read_test(self, data, text_column, label_column) -> list[str]:
        suffixes = (".txt", ".jsonl", ".csv", ".tsv")
        # An empty line is one that a stream of text ends as well.
        return list(read_texts(test_part(data, suffixes), text_column=text_column, keep_empty=True))

    def tell_part(self, part, labels) -> list[str]:
        return [translate("{texts} texts", texts=len(part))]

    def source(self, tokenizer, part, label2id) -> "_Text":
        return _Text(tokenizer, part)

    def answers(self, model, tokenizer, texts, accelerator, top=1) -> list[dict[str, Any]]:
        """For each text `words` for its mask, each with `word` and `score`, or `continuations`, drawn by one seed."""
        model = model.to(accelerator.device).eval()
        if self.auto_class == "AutoModelForMaskedLM":
            return [{"text": text, "words": _words(model, tokenizer, text, top)} for text in texts]
        return [{"text": text, "continuations": _continuations(model, tokenizer, text, top)} for text in texts]

    def show(self, answer) -> str:
        if "words" in answer:
            return "  ".join(f"{row['word']} {row['score']:.3f}" for row in answer["words"]) + f"\t{answer['text']}"
        return "\n".join(answer["continuations"])


class _Text:
    """Text that a language model is measured on."""

    def __init__(self, tokenizer: "PreTrainedTokenizerFast", texts: list[str]):
        self._tokenizer, self._texts = tokenizer, texts

    def measure(self, model: "PreTrainedModel", accelerator: "Accelerator") -> dict[str, Any]:
        """`loss` and `perplexity` of a token."""
        from ..language_models import evaluate_language_model

        return evaluate_language_model(model, self._tokenizer, self._texts, accelerator)


def _words(model: Any, tokenizer: Any, text: str, top: int) -> list[dict[str, Any]]:
    from transformers import pipeline

    mask = tokenizer.mask_token
    if not mask or text.count(mask) != 1:
        raise UserError(f"the text {text!r} must hold one {mask or 'mask'} where a word is missing")
    _room(tokenizer, text)
    rows = pipeline("fill-mask", model=model, tokenizer=tokenizer, top_k=top, device=model.device)(text)
    return [{"word": row["token_str"], "score": row["score"]} for row in rows]


def _continuations(model: Any, tokenizer: Any, text: str, top: int) -> list[str]:
    import torch
    from transformers import AutoModelForCausalLM, set_seed

    from ..language_models import never_written

    if not hasattr(model, "generate"):  # a model of both directions: its forward half writes
        writer = AutoModelForCausalLM.from_config(model.config).to(model.device).eval()
        writer.load_state_dict(model.state_dict(), strict=False)
        model = writer
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.pad_token_id
    ids = tokenizer(text)["input_ids"] or [end]
    room = _room(tokenizer, text)
    characters = tokenizer.backend_tokenizer.decoder is not None  # they are short
    set_seed(0)
    written = model.generate(
        torch.tensor([ids], device=model.device),
        do_sample=True,
        temperature=0.8,
        top_k=50,
        num_return_sequences=top,
        max_new_tokens=min(NEW_TOKENS * (4 if characters else 1), room),
        suppress_tokens=never_written(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return tokenizer.batch_decode(written, skip_special_tokens=True)


def _room(tokenizer: Any, text: str) -> int:
    """How many tokens may follow a text, at least one.

    Raises:
        UserError: for a text that is itself too long for the model.
    """
    tokens = max(len(tokenizer(text)["input_ids"]), 1)
    if tokens > tokenizer.model_max_length:
        raise UserError(
            f"the text {text[:40]!r} … has {tokens} tokens, but the model reads at most {tokenizer.model_max_length}: "
            "cut it"
        )
    return max(int(tokenizer.model_max_length) - tokens, 1)
