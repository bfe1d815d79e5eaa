"""The verb `neighbors`: which words lie near which."""

from typing import Annotated

import typer

from ..messages import translate


def neighbors(
    model: Annotated[str, typer.Argument(help="Folder of word vectors, or of any model of this package.")],
    words: Annotated[list[str], typer.Argument(help="One or more words.")],
    top: Annotated[int, typer.Option(help="Neighbours to show for each word.")] = 10,
) -> dict[str, list[tuple[str, float]]]:
    """Show the words whose vectors lie nearest to those of the given words.

    Returns:
        For each word its neighbours and their cosines, the nearest first.

    Raises:
        UserError: for a folder without vectors or a word that is not in the vocabulary.
    """
    from .keyed_vectors import KeyedVectors

    vectors = KeyedVectors.from_folder(model)
    found = {word: vectors.nearest(word, top) for word in words}
    for word, near in found.items():
        joined = "  ".join(f"{neighbor} {cosine:.2f}" for neighbor, cosine in near)
        print(translate("{word}: {neighbors}", word=word, neighbors=joined))
    return found
