"""The verbs on word vectors: `neighbors`, `analogy` and `similarity`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import UserError
from ..messages import translate
from ..options import TextColumn
from ..records import check_text

if TYPE_CHECKING:
    from .word_tests import AnalogyResult, SimilarityResult

Vectors = Annotated[
    str, typer.Argument(help="Folder of word vectors or of any model of this package, file of vectors, or Hub name.")
]
RestrictVocab = Annotated[
    int | None, typer.Option(help="Look among so many of the most frequent words.", metavar="N", show_default="all")
]


def neighbors(
    model: Vectors,
    words: Annotated[list[str] | None, typer.Argument(help="One or more words.")] = None,
    top: Annotated[int, typer.Option(help="Neighbours to show for each word.")] = 10,
    file: Annotated[Path | None, typer.Option(help="File with a word on each line.", metavar="FILE")] = None,
    text_column: TextColumn = "text",
    restrict_vocab: RestrictVocab = None,
) -> dict[str, list[tuple[str, float]]]:
    """Show the words whose vectors lie nearest to those of the given words.

    Returns:
        For each word its neighbours and their cosines, the nearest first.

    Raises:
        UserError: for a folder without vectors or a word that is not in the vocabulary.
    """
    from ..corpus import gather_texts
    from .keyed_vectors import KeyedVectors

    words = [word for word in gather_texts(words, file, text_column) if word.strip()]
    vectors = KeyedVectors.load(model)
    found = dict(zip(words, vectors.nearest_each(words, top, restrict_vocab), strict=True))
    for word, near in found.items():
        joined = "  ".join(f"{neighbor} {cosine:.2f}" for neighbor, cosine in near)
        print(translate("{word}: {neighbors}", word=word, neighbors=joined))
    return found


def analogy(
    model: Vectors,
    words: Annotated[
        list[str] | None, typer.Argument(help="Three words: man king woman asks for the woman that is like a king.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="File of three words a line, or of four with the answer: then it is a test.", metavar="FILE"),
    ] = None,
    method: Annotated[
        Literal["3cosadd", "3cosmul"],
        typer.Option(help="Add and subtract directions (Mikolov 2013), or multiply and divide cosines (Levy 2014)."),
    ] = "3cosadd",
    top: Annotated[int, typer.Option(help="Answers to show for each question.")] = 10,
    restrict_vocab: RestrictVocab = None,
) -> "dict[tuple[str, str, str], list[tuple[str, float]]] | AnalogyResult":
    """Answer which word is to the third as the second is to the first, or test how often that is answered right.

    A test is a file of four words a line, in sections that lines such as `: capitals` begin. Only the 300,000 most
    frequent words count there unless `--restrict-vocab` says another number, and capitals do not matter.

    Returns:
        For each question its answers and their scores, the best first; of a test how many are right.

    Raises:
        UserError: for a folder without vectors, words that are not three, or one that is not in the vocabulary.
    """
    from .keyed_vectors import KeyedVectors
    from .word_questions import read_questions
    from .word_tests import FREQUENT, evaluate_analogies

    _one_of(words, file)
    if file is None:
        if words is None or len(words) != 3:
            raise UserError(f"an analogy is made of three words, not of {len(words or ())}: {' '.join(words or ())}")
        questions, test = [(words[0], words[1], words[2])], False
    else:
        read = read_questions(file)
        questions, test = [(one.a, one.b, one.c) for one in read], read[0].answer is not None
    vectors = KeyedVectors.load(model)
    if test and file is not None:
        result = evaluate_analogies(vectors, file, method=method, restrict_vocab=restrict_vocab or FREQUENT)
        for name, section in result.sections.items():
            print(
                translate("{section}: {right} of {asked} right", section=name, right=section.right, asked=section.asked)
            )
        print(
            translate(
                "{accuracy} % of {asked} analogies are right; {missing} more have a word without a vector.",
                accuracy=f"{100 * result.accuracy:.1f}",
                asked=result.asked,
                missing=result.missing,
            )
        )
        return result
    found = dict(zip(questions, vectors.analogies(questions, method, top, restrict_vocab), strict=True))
    for (a, b, c), answers in found.items():
        joined = "  ".join(f"{word} {score:.2f}" for word, score in answers)
        print(translate("{a} → {b}, {c} → {answers}", a=a, b=b, c=c, answers=joined))
    return found


def similarity(
    model: Vectors,
    words: Annotated[list[str] | None, typer.Argument(help="Two words.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="File of two words a line, with a judgement behind: then it is a test.", metavar="FILE"),
    ] = None,
    restrict_vocab: RestrictVocab = None,
) -> "dict[tuple[str, str], float] | SimilarityResult":
    """Show the cosine of two words, or test how well cosines agree with people's judgements.

    A test is a file of two words and a number a line. Only the 300,000 most frequent words count there unless
    `--restrict-vocab` says another number, and capitals do not matter.

    Returns:
        For each pair its cosine; of a test the correlations.

    Raises:
        UserError: for a folder without vectors, words that are not two, or one that is not in the vocabulary.
    """
    from .keyed_vectors import KeyedVectors
    from .word_questions import read_pairs
    from .word_tests import FREQUENT, evaluate_word_pairs

    _one_of(words, file)
    if file is None:
        if words is None or len(words) != 2:
            raise UserError(f"a similarity is one of two words, not of {len(words or ())}: {' '.join(words or ())}")
        pairs, test = [(words[0], words[1])], False
    else:
        read = read_pairs(file)
        pairs, test = [(pair.one, pair.other) for pair in read], read[0].judgement is not None
    vectors = KeyedVectors.load(model)
    if test and file is not None:
        result = evaluate_word_pairs(vectors, file, restrict_vocab=restrict_vocab or FREQUENT)
        print(
            translate(
                "Spearman {spearman}, Pearson {pearson} of {pairs} pairs; {missing} more have a word without a vector.",
                spearman=f"{100 * result.spearman:.1f}",
                pearson=f"{100 * result.pearson:.1f}",
                pairs=result.pairs,
                missing=result.missing,
            )
        )
        return result
    found = {pair: vectors.similarity(*pair) for pair in pairs}
    for (one, other), cosine in found.items():
        print(translate("{one}, {other}: {cosine}", one=one, other=other, cosine=f"{cosine:.3f}"))
    return found


def _one_of(words: list[str] | None, file: Path | None) -> None:
    if words and file:
        raise UserError("give words or --file, not both")
    if not words and not file:
        raise UserError("no word is given: name some, or --file")
    for number, word in enumerate(words or (), 1):
        check_text(f"word {number}", word)
