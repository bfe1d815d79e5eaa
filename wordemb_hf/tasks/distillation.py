"""Text classification by a teacher: its probabilities as soft targets beside the labels (Hinton et al. 2015)."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax
from transformers import PreTrainedTokenizerBase

from ..batching import Batch
from ..corpus import Examples
from .classification import TextClassification

if TYPE_CHECKING:
    from ..teacher import Teaching

_TEACHER, _LABELLED = "teacher_logits", "labelled"  # what a batch holds beside the model's inputs


class DistilledClassification(TextClassification):
    """As `TextClassification`, learned from what a teacher said to the texts as well as from their labels.

    Args:
        tokenizer: makes ids of the texts.
        examples: texts and labels, those of the teaching without a label at the end.
        label2id: ids of the labels.
        teaching: what the teacher said, and how much it counts.
        options: what else `TextClassification` takes.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        examples: Examples,
        label2id: dict[str, int],
        teaching: "Teaching",
        **options: Any,
    ):
        super().__init__(tokenizer, examples, label2id, **options)
        self._weight, self._temperature = teaching.teacher_weight, teaching.temperature
        self._targets = torch.from_numpy(teaching.logits_of(examples.texts, label2id))  # (texts, labels)
        self._labelled = torch.arange(len(examples)) < len(examples) - len(teaching.texts)  # (texts,)

    def collate(self, rows: np.ndarray, number: int) -> Batch:
        chosen = torch.from_numpy(rows).to(self._targets.device, non_blocking=True)
        more = {_TEACHER: self._targets[chosen], _LABELLED: self._labelled[chosen]}
        return super().collate(rows, number) | more

    @property
    def nbytes(self) -> int:
        return super().nbytes + self._targets.nbytes + self._labelled.nbytes

    def keep_on(self, device: torch.device) -> None:
        super().keep_on(device)
        self._targets, self._labelled = self._targets.to(device), self._labelled.to(device)

    def train_on(self, model: Any, batch: Batch) -> Any:
        """The model's output, and in its loss that of distillation in place of plain cross-entropy."""
        output = model(**{name: tensor for name, tensor in batch.items() if name not in (_TEACHER, _LABELLED)})
        logits, labels = output.logits, batch["labels"]
        changed = distillation_loss(
            logits,
            batch[_TEACHER],
            labels,
            batch[_LABELLED],
            teacher_weight=self._weight,
            temperature=self._temperature,
            label_smoothing=self._label_smoothing,
        )
        # What a family adds to the loss stays.
        output.loss = output.loss - cross_entropy(logits, labels) + changed
        return output


def distillation_loss(
    logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    labelled: Tensor,
    *,
    teacher_weight: float,
    temperature: float,
    label_smoothing: float = 0.0,
) -> Tensor:
    """How far a student is from its teacher and from the labels, as a mean over texts (Hinton et al. 2015, section 2).

    With T the temperature and w the teacher's weight, a text costs

        w T² KL(softmax(teacher / T) ‖ softmax(student / T)) + (1 − w) cross-entropy(softmax(student), label)

    The divergence is the cross-entropy of the paper less the teacher's entropy, which no student can change; its
    gradients fall with 1 / T², hence the factor. Where there is no label, w is 1.

    Args:
        logits: the student's, `(batch, labels)`.
        teacher_logits: `(batch, labels)`.
        labels: class ids, `(batch,)`; of a text without a label any.
        labelled: which texts have one, `(batch,)`.
        teacher_weight: w, from 0 to 1.
        temperature: T, above 0.
        label_smoothing: of the cross-entropy.
    """
    student, teacher = (log_softmax(values.float() / temperature, -1) for values in (logits, teacher_logits))
    soft = temperature**2 * kl_div(student, teacher, reduction="none", log_target=True).sum(-1)  # (batch,)
    hard = cross_entropy(logits.float(), labels, reduction="none", label_smoothing=label_smoothing)  # (batch,)
    return torch.where(labelled, teacher_weight * soft + (1 - teacher_weight) * hard, soft).mean()
