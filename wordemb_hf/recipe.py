"""How a labelled model is made: all that `finetune` was asked for but the data, and one training by it."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .checkpoints import Checkpoints, describe_settings, describe_training, forget_training
from .documents import document_labeller
from .families import readable_length
from .folders import new_folder
from .jobs import Job
from .languages import guess_language
from .loading import label_ids, load_for_labels, load_tokenizer
from .new_models import fit_to_texts, model_from_vectors, new_model
from .pretrained_encoders import model_with_encoder
from .segmentation.dictionaries import filled_up
from .splits import Splits
from .tasks.seq2seq import EncodedPairs
from .teacher import Teaching
from .trackers import tracked
from .training import TrainingSettings, make_accelerator, train
from .writing import fit_to_targets

Measured = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What `finetune` was asked for.

    Args:
        job: the task.
        family: of a new model.
        fields: its config.
        model: what to start from, or
        encoder: what its encoder starts from, or
        vectors: what its word vectors start from.
        tokenizer_kind: of a new model; `None` for the kind that suits the data.
        tokenizer: a folder or name of one that is there already, in place of a new one.
        lowercase: likewise.
        min_count: words that occur less often are unknown.
        max_length: longer texts are cut, in tokens.
        batch_size: texts in a batch.
        batch_tokens: above 0, tokens in a batch in place of that.
        losses: `class_weights` and `label_smoothing`, as the job's source takes them.
        teaching: what a teacher said to the training texts; `None` where there is none.
        training: how to train.
        trackers: what shows the training while it runs.
        logging_dir: where their files go.
        baseline: also measure a classical method.
        dataset: what the card calls the data.
        language: of the texts; `None` for what they look like.
        card_language: what the card is written in.
        checkpoint_steps: how often the training is kept.
        resume: `auto` or `never`.
    """

    job: Job
    family: str
    fields: dict[str, Any]
    model: str | None
    encoder: str | None
    vectors: Path | None
    tokenizer_kind: str | None
    tokenizer: str | None
    lowercase: bool | None
    min_count: int
    max_length: int
    batch_size: int
    batch_tokens: int
    losses: dict[str, Any]
    teaching: Teaching | None = None
    training: TrainingSettings
    trackers: list[str]
    logging_dir: Path
    baseline: bool
    dataset: str
    language: str | None
    card_language: str | None
    checkpoint_steps: int
    resume: str

    def with_seed(self, seed: int) -> "Recipe":
        """The same with other random numbers."""
        return replace(self, training=replace(self.training, seed=seed))

    def described(self) -> dict[str, Any]:
        """What makes two recipes the same, as JSON can hold it."""
        left_out = {
            "job",
            "teaching",
            "training",
            "resume",
            "trackers",
            "logging_dir",
            "checkpoint_steps",
            "dataset",
            "card_language",
        }
        own = {name: value for name, value in vars(self).items() if name not in left_out}
        settings = {name: value for name, value in describe_settings(self.training).items() if name != "seed"}
        taught = self.teaching.described() if self.teaching else {}
        vectors = None if self.vectors is None else str(self.vectors)
        return {**own, **settings, **taught, "job": self.job.noun, "vectors": vectors}


def follow(
    recipe: Recipe,
    parts: Splits[Any],
    output: Path,
    *,
    name: str | None = None,
    subfolder: str | None = None,
) -> Measured:
    """Train one model and write its folder.

    Args:
        recipe: how.
        parts: the data.
        output: the folder.
        name: what the card calls the model; by default what the folder is called.
        subfolder: for a head beside its backbone, its folder in the repository.

    Returns:
        What was measured; on the first process with the baseline.
    """
    job, training, vectors, teaching = recipe.job, recipe.training, recipe.vectors, recipe.teaching
    labels = job.labels(parts.train)
    accelerator = make_accelerator(training)
    # What is read, of which the texts without labels are a part, and not what is told of.
    read = parts if teaching is None else replace(parts, train=teaching.extended(parts.train))
    labeller, tokenizer = _labeller(recipe, read, labels)
    max_length = readable_length(labeller.config, recipe.max_length) if recipe.model else recipe.max_length
    sizes = {"batch_size": recipe.batch_size, "batch_tokens": recipe.batch_tokens, "max_length": max_length}
    job.begin(labeller, read.train)
    label2id = label_ids(labeller)
    options: dict[str, Any] = {"seed": training.seed, **sizes, **recipe.losses}
    taught = {} if teaching is None else {"teaching": teaching}
    tasks = {
        name: job.source(tokenizer, part, label2id, **options, **(taught if name == "train" else {}))
        for name, part in (("train", read.train), ("dev", read.dev), ("test", read.test))
        if part is not None
    }
    encoded = tasks["train"].encoded
    if not recipe.model:
        fit_to_texts(labeller, tokenizer, encoded)
    if isinstance(encoded, EncodedPairs):
        fit_to_targets(labeller, tokenizer, encoded.longest_target)

    def evaluate_dev(current: PreTrainedModel) -> dict[str, float]:
        return tasks["dev"].evaluate(current, accelerator)

    given = [asdict(part) for part in (read.train, read.dev) if part is not None]
    started_from = recipe.model or recipe.encoder or (str(vectors) if vectors else None)
    further = {**sizes, **recipe.losses, **(teaching.described() if teaching else {})}
    described = describe_training(labeller, training, given, start=started_from, **further)
    checkpoints = Checkpoints.beside(output, described, recipe.checkpoint_steps, recipe.resume)
    run = "-".join(dict.fromkeys(filter(None, (name, output.name))))
    with job.in_training(labeller, tasks), tracked(accelerator, recipe.trackers, recipe.logging_dir, run, training):
        result = train(
            labeller,
            tasks["train"],
            training,
            accelerator,
            evaluate=evaluate_dev if "dev" in tasks else None,
            metric=job.best(labels),
            checkpoints=checkpoints,
        )
    measured: Measured = {name: tasks[name].measure(labeller, accelerator) for name in ("dev", "test") if name in tasks}
    # What every process must take part in comes before what the first one does alone.
    card = job.card(labeller, tokenizer, parts.test or parts.dev or parts.train, accelerator)
    language = recipe.language or guess_language(parts.train.texts)
    if accelerator.is_main_process:
        final = "test" if parts.test else "dev"
        if recipe.baseline and final in measured:
            floor = job.baseline(parts.train, parts.test or parts.dev, language)
            measured[final] |= {f"baseline_{key}": value for key, value in floor.items() if isinstance(value, float)}
        model = recipe.model
        with new_folder(output) as folder:
            labeller.cpu().save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            document_labeller(
                folder,
                labeller,
                name=name or output.name,
                dataset=recipe.dataset,
                parts=parts,
                measured=measured,
                result=result,
                settings=training,
                losses=recipe.losses,
                teaching=teaching,
                language=language,
                vectors=vectors,
                card_language=recipe.card_language,
                subfolder=subfolder,
                base_model=model if model and not Path(model).is_dir() else None,
                **card,
            )
        forget_training(output)
    accelerator.wait_for_everyone()
    return measured


def _labeller(recipe: Recipe, parts: Splits[Any], labels: list[str]) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model before it is trained."""
    job, texts = recipe.job, parts.train.texts
    if recipe.model:
        labeller, tokenizer = load_for_labels(recipe.model, job.auto_class, labels)
        job.check(labeller.config, parts.train)
        return labeller, tokenizer
    how = (job.auto_class, recipe.family, recipe.fields)
    if recipe.encoder:
        return model_with_encoder(*how, texts, recipe.encoder, recipe.min_count, recipe.max_length)
    if recipe.vectors:
        return model_from_vectors(*how, labels, texts, recipe.vectors, recipe.min_count, recipe.max_length)
    kind = recipe.tokenizer_kind or job.tokenizer_kind(parts.train)
    cut = job.words(parts.train) if kind == "word-zh" else None
    return new_model(
        *how,
        labels,
        texts,
        None if recipe.tokenizer is None else load_tokenizer(recipe.tokenizer),
        kind=kind,
        dictionary=filled_up(cut) if cut else None,
        min_count=recipe.min_count,
        lowercase=job.lowercase if recipe.lowercase is None else recipe.lowercase,
        max_length=recipe.max_length,
    )
