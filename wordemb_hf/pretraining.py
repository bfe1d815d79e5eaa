"""The verb `pretrain`: from raw text to a model that has read it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .errors import UserError
from .messages import translate
from .options import (
    DATA,
    MODEL,
    Epochs,
    Language,
    Lowercase,
    MinCount,
    MixedPrecision,
    OutputFolder,
    Overwrite,
    Seed,
    TextColumn,
    TokenizerKind,
    model_option,
    training_option,
)


def pretrain(
    corpus: Annotated[
        list[Path], typer.Option(help="Text: txt, jsonl, csv or tsv, also .gz, or a folder of them.", metavar="FILE")
    ],
    output: OutputFolder,
    overwrite: Overwrite = False,
    text_column: TextColumn = "text",
    tokenizer_kind: TokenizerKind = "word",
    lowercase: Lowercase = True,
    min_count: MinCount = 5,
    max_vocab_size: Annotated[
        int, typer.Option(help="Keep at most so many words.", rich_help_panel=DATA, metavar="N")
    ] = 200_000,
    language: Language = None,
    family: Annotated[str, model_option("What to train: word2vec.", "NAME")] = "word2vec",
    algorithm: Annotated[
        Literal["skipgram", "cbow"], typer.Option(help="How neighbours predict.", rich_help_panel=MODEL)
    ] = "skipgram",
    hidden_size: Annotated[int, model_option("Width of a word vector.", "N")] = 100,
    window_size: Annotated[int, model_option("Words on each side, at most.", "N")] = 5,
    num_negatives: Annotated[int, model_option("Noise words for each window.", "N")] = 5,
    subsample_threshold: Annotated[
        float, model_option("Thin out words above this share of the text; 0 for never.", "SHARE")
    ] = 1e-3,
    epochs: Epochs = 5,
    batch_size: Annotated[int, training_option("Windows in a batch.", "N")] = 512,
    learning_rate: Annotated[float | None, training_option("At its highest.", "RATE", "0.025, for cbow 0.05")] = None,
    mixed_precision: MixedPrecision = None,
    seed: Seed = 0,
) -> Path:
    """Train word vectors on raw text.

    The folder that is written loads with `AutoModel.from_pretrained` and `AutoTokenizer.from_pretrained`; it holds the
    code, a model card, a map of the words and the training curve. Show neighbours with `wordemb-hf neighbors FOLDER
    WORD`, fine-tune with `wordemb-hf finetune --vectors FOLDER`.

    Returns:
        The folder.

    Raises:
        UserError: for text that cannot be read, no word that is frequent enough, an impossible setting, or an output
            folder with something in it.
    """
    from .families import make_config
    from .folders import check_output, new_folder

    corpus = [Path(path) for path in ([corpus] if isinstance(corpus, str | Path) else corpus)]
    output = Path(output)
    check_output(output, overwrite)
    if family != "word2vec":
        raise UserError(f"family is {family!r}, but pretrain knows only word2vec so far")
    if batch_size < 1:
        raise UserError(f"batch_size is {batch_size}, but must be at least 1")
    config = make_config(  # an impossible setting is refused before any text is read
        family,
        hidden_size=hidden_size,
        algorithm=algorithm,
        window_size=window_size,
        num_negatives=num_negatives,
        subsample_threshold=subsample_threshold,
    )

    import numpy as np
    import torch
    from transformers import AutoModelForPreTraining

    from .corpus import read_texts
    from .documents import document_vectors
    from .objectives.windows import ContextWindows, WordWindows
    from .training import TrainingSettings, make_accelerator, train
    from .vocabulary import build_tokenizer, encode_corpus

    settings = TrainingSettings(
        epochs=epochs,
        learning_rate=(0.05 if algorithm == "cbow" else 0.025) if learning_rate is None else learning_rate,
        optimizer="sgd",
        floor=1e-4,
        summed_loss=True,
        mixed_precision=mixed_precision,
        seed=seed,
    )
    accelerator = make_accelerator(settings)
    accelerator.print(translate("Counting words in {corpus} …", corpus=", ".join(map(str, corpus))))
    tokenizer = build_tokenizer(
        read_texts(corpus, text_column=text_column),
        kind=tokenizer_kind,
        min_count=min_count,
        max_size=max_vocab_size,
        lowercase=lowercase,
    )
    ids = encode_corpus(tokenizer, read_texts(corpus, text_column=text_column))
    counts = ids.counts(len(tokenizer))
    accelerator.print(
        translate(
            "{tokens} words in {documents} documents; {vocabulary} different ones occur at least {min_count} times.",
            tokens=f"{len(ids.ids):,}",
            documents=f"{len(ids.offsets) - 1:,}",
            vocabulary=f"{np.count_nonzero(counts):,}",
            min_count=min_count,
        )
    )

    config.vocab_size = len(tokenizer)
    model = AutoModelForPreTraining.from_config(config)
    model.word_counts.copy_(torch.from_numpy(counts))
    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    for table in tables:
        # A batch touches few rows: gradients for all would be most of the work. Apple's GPUs have no sparse ones, and
        # gloo's all-reduce of sparse ones has been seen to corrupt memory.
        table.sparse = accelerator.device.type != "mps" and accelerator.num_processes == 1
    objective = ContextWindows if algorithm == "cbow" else WordWindows
    # In one step a word's row takes the sum of its windows' steps: in a small vocabulary a large batch would overshoot.
    batch_size = min(batch_size, max(len(tokenizer) // 2, 1))
    windows = objective(ids.ids, ids.offsets, counts, window_size, subsample_threshold, batch_size, seed)
    result = train(model, windows, settings, accelerator)
    for table in tables:
        table.sparse = False
    with torch.no_grad():
        # An unknown word is most like the rarest ones.
        rows = tables[0].weight
        rows[tokenizer.pad_token_id] = 0
        rows[tokenizer.unk_token_id] = rows[-max(len(rows) // 100, 1) :].mean(0)

    if accelerator.is_main_process:
        with new_folder(output) as folder:
            model.cpu().save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            document_vectors(
                folder,
                model,
                name=output.name,
                corpus=", ".join(path.name for path in corpus),
                documents=len(ids.offsets) - 1,
                result=result,
                settings=settings,
                language=language,
            )
        speed = len(ids.ids) * epochs / max(result.seconds, 1e-9)
        accelerator.print(
            translate(
                "Trained in {seconds} s, {speed} words/s; the model is in {folder}.",
                seconds=f"{result.seconds:.0f}",
                speed=f"{speed:,.0f}",
                folder=output,
            )
        )
    accelerator.wait_for_everyone()
    return output
