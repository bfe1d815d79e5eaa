"""Models that write a text for a text, at work: in batches, on one process or many."""

import unicodedata
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from .batching import by_length
from .encoding import EncodedTexts
from .errors import UserError

BATCH = 64
MOST_TOKENS = 512  # where the model does not say how long its texts may be


def write_texts(
    model: Any, tokenizer: Any, encoded: EncodedTexts, accelerator: Accelerator, **options: Any
) -> list[list[dict[str, Any]]]:
    """What a model writes for each text, in the texts' order.

    Every process writes for its share of the batches; all of them return the whole.

    Args:
        model: any encoder–decoder.
        tokenizer: its tokenizer.
        encoded: the sources.
        accelerator: where to compute.
        options: what `generate()` takes; `num_return_sequences` for the n best.

    Returns:
        For each source one row or more, the best first: `text`, and with beams its `score`.
    """
    was_training = model.training
    model = model.to(accelerator.device).eval()
    options = _options(model, options)
    batches = encoded.batches(by_length(encoded.lengths, BATCH))
    written: list[tuple[int, list[dict[str, Any]]]] = []
    with torch.inference_mode(), accelerator.autocast():
        for number in range(accelerator.process_index, len(batches), accelerator.num_processes):
            indices = batches.indices[number]
            batch = {name: tensor.to(accelerator.device) for name, tensor in batches[number].items()}
            answer: Any = model.generate(**batch, return_dict_in_generate=True, output_scores=True, **options)
            texts = tokenizer.batch_decode(answer.sequences, skip_special_tokens=True)
            rows: list[dict[str, Any]] = [{"text": text.strip()} for text in texts]
            scores = getattr(answer, "sequences_scores", None)
            if scores is not None:
                for row, score in zip(rows, scores.tolist(), strict=True):
                    row["score"] = score
            each = len(rows) // len(indices)
            for place, index in enumerate(indices.tolist()):
                written.append((index, rows[place * each : (place + 1) * each]))
    model.train(was_training)
    return [rows for _, rows in sorted(gather_object(written), key=lambda pair: pair[0])]


def fit_to_targets(model: Any, tokenizer: Any, longest_target: int) -> None:
    """Tell a new model how long a text it may write, and what it never writes.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        longest_target: tokens of the longest text that it learns to write.
    """
    config = model.generation_config
    config.max_new_tokens = int(1.2 * longest_target) + 5
    never = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.bos_token_id)
    config.suppress_tokens = sorted({token for token in never if token is not None})


def search_with(model: Any, beams: int | None, length_penalty: float | None) -> None:
    """Set how a model looks for the best text, `None` for its own way.

    Raises:
        UserError: for no beam, a penalty without beams or that is no number, or a model that does not write.
    """
    if beams is None and length_penalty is None:
        return
    if not model.config.is_encoder_decoder:
        raise UserError("beams and length_penalty are for models that write a text for a text: leave them out")
    if beams is not None and beams < 1:
        raise UserError(f"beams is {beams}, but must be at least 1")
    config = model.generation_config
    config.num_beams = beams or config.num_beams or 1
    if length_penalty is not None:
        if config.num_beams == 1:
            raise UserError(f"length_penalty is {length_penalty}, but has a meaning with --beams of 2 and more only")
        if not np.isfinite(length_penalty):
            raise UserError(f"length_penalty is {length_penalty}, but must be a number")
        config.length_penalty = float(length_penalty)


def plain_form(tokenizer: Any, text: str) -> str:
    """A text as the model could write it: in lower case, normalized or in pieces, where its tokenizer makes it so.

    Measured against a target in another form, a perfect model would be wrong.
    """
    backend = tokenizer.backend_tokenizer
    normalizer = backend.normalizer
    if backend.decoder is None and backend.pre_tokenizer is not None:  # words are joined by spaces, whatever they are
        text = text if normalizer is None else normalizer.normalize_str(text)
        return " ".join(word for word, _ in backend.pre_tokenizer.pre_tokenize_str(text))
    if normalizer is not None:
        if normalizer.normalize_str("Ａ").endswith(("A", "a")):
            text = unicodedata.normalize("NFKC", text).replace("’", "'")
        if normalizer.normalize_str("A").endswith("a"):
            text = text.lower()
    return " ".join(text.split())


def _options(model: Any, options: dict[str, Any]) -> dict[str, Any]:
    config = model.generation_config
    best = options.get("num_return_sequences", 1)
    beams = options.get("num_beams") or config.num_beams or 1
    # The defaults of a greedy model would warn of beams that are too few for so many texts.
    options = {**options, "num_beams": max(beams, best), "do_sample": False}
    if config.max_new_tokens is None and config.max_length is None:
        options["max_new_tokens"] = MOST_TOKENS
    return options
