"""The verb `embed`: texts, words in their texts and tokens as vectors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .errors import UserError
from .folders import check_output_file
from .messages import translate
from .options import TextColumn, TextsFile

if TYPE_CHECKING:
    import numpy as np

    from .token_vectors import TextVectors


def embed(
    model: Annotated[str, typer.Argument(help="Folder or Hub name of any model of this package.")],
    texts: Annotated[list[str] | None, typer.Argument(help="One or more texts.")] = None,
    file: TextsFile = None,
    text_column: TextColumn = "text",
    level: Annotated[
        Literal["sentence", "word", "token"],
        typer.Option(help="What has a vector: a text, or each word or token in it."),
    ] = "sentence",
    layer: Annotated[
        str, typer.Option(help="last, mean of all layers, or a number: 0 for the word vectors.", metavar="LAYER")
    ] = "last",
    output: Annotated[
        Path | None, typer.Option(help="File for the vectors: .npy, .safetensors or .parquet.", metavar="FILE")
    ] = None,
) -> "np.ndarray | list[TextVectors]":
    """Turn texts, or the words in them, into vectors.

    A text's vector is what the family's pooling gives: the mean of the word vectors for word2vec, the largest answer of
    each filter for TextCNN; with `--layer` the mean of its tokens there. A word of several tokens has their mean, and
    in a model that reads contexts another vector in each text. Without `--output`, vectors are printed, one a line.

    `.npy` holds all vectors below each other, and a second file, `NAME.offsets.npy`, where each text's words begin.

    Returns:
        Vectors of texts, float32 `(texts, width)`; of words or tokens, for each text its `words`, their `places` in
        characters `(words, 2)` and their `vectors`, float32 `(words, width)`.

    Raises:
        UserError: without texts, for a model or file that cannot be read, a layer that the model does not have, or an
            output of another suffix.
    """
    from .corpus import gather_texts

    output, layer = None if output is None else Path(output), str(layer)
    check_output_file(output)
    if output is not None and output.suffix not in (".npy", ".safetensors", ".parquet"):
        raise UserError(f"output {output} must end in .npy, .safetensors or .parquet")
    if level not in ("sentence", "word", "token"):
        raise UserError(f"level is {level!r}, but must be sentence, word or token")
    texts = gather_texts(texts, file, text_column)

    from transformers import AutoModel, AutoTokenizer

    from .loading import loading, place_of
    from .token_vectors import check_layer, sentence_vectors, token_vectors
    from .training import make_accelerator
    from .vector_output import write_vectors

    check_layer(layer)
    with loading(model):
        name, options = place_of(model)
        backbone = AutoModel.from_pretrained(name, **options)
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
    accelerator = make_accelerator()
    vectors: np.ndarray | list[TextVectors]
    if level == "sentence":
        vectors = sentence_vectors(backbone, tokenizer, texts, accelerator, layer)
    else:
        vectors = token_vectors(backbone, tokenizer, texts, accelerator, layer, pool_words=level == "word")
    if not accelerator.is_main_process:
        return vectors
    if output is None:
        _print(vectors)
        return vectors
    facts = {"model": str(model), "level": level, "layer": layer}
    count, width = write_vectors(vectors, texts, output, facts)
    print(translate("{texts} vectors of width {width} are in {file}.", texts=count, width=width, file=output))
    return vectors


def _print(vectors: "np.ndarray | list[TextVectors]") -> None:
    """One vector a line; behind its word, with an empty line between texts."""
    if not isinstance(vectors, list):
        for row in vectors:
            print(" ".join(f"{value:.5f}" for value in row))
        return
    for number, text in enumerate(vectors):
        if number:
            print()
        for word, row in zip(text.words, text.vectors, strict=True):
            print(word, " ".join(f"{value:.5f}" for value in row))
