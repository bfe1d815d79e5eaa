"""The verb `embed`: texts as vectors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import UserError
from .folders import check_output_file
from .messages import translate
from .options import TextColumn, TextsFile

if TYPE_CHECKING:
    import numpy as np


def embed(
    model: Annotated[str, typer.Argument(help="Folder or Hub name of any model of this package.")],
    texts: Annotated[list[str] | None, typer.Argument(help="One or more texts.")] = None,
    file: TextsFile = None,
    text_column: TextColumn = "text",
    output: Annotated[Path | None, typer.Option(help="NumPy file for the vectors, .npy.", metavar="FILE")] = None,
) -> "np.ndarray":
    """Turn texts into vectors.

    A text's vector is what the family's pooling gives: the mean of the word vectors for word2vec, the largest answer of
    each filter for TextCNN. Without `--output`, vectors are printed, one text a line.

    Returns:
        Vectors, float32 `(texts, width)`.

    Raises:
        UserError: without texts, for a model or file that cannot be read, or an output that is no .npy.
    """
    from .corpus import gather_texts

    output = None if output is None else Path(output)
    check_output_file(output)
    if output is not None and output.suffix != ".npy":
        raise UserError(f"output {output} must end in .npy")
    texts = gather_texts(texts, file, text_column)

    import numpy as np
    from transformers import AutoModel, AutoTokenizer

    from .batching import by_length
    from .encoding import EncodedTexts
    from .loading import loading, place_of
    from .training import make_accelerator, outputs_of

    with loading(model):
        name, options = place_of(model)
        backbone = AutoModel.from_pretrained(name, **options)
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
    encoded = EncodedTexts(tokenizer, texts)
    batches = encoded.batches(by_length(encoded.lengths, 256))
    accelerator = make_accelerator()
    vectors, _ = outputs_of(backbone, batches, accelerator, lambda outputs: outputs.pooler_output)
    if not accelerator.is_main_process:
        return vectors
    if output is None:
        for row in vectors:
            print(" ".join(f"{value:.5f}" for value in row))
        return vectors
    beside = output.with_name(f".{output.name}.partial.npy")
    np.save(beside, vectors)
    beside.replace(output)
    count, width = vectors.shape
    print(translate("{texts} vectors of width {width} are in {file}.", texts=count, width=width, file=output))
    return vectors
