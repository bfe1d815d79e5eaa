"""What a job need not say."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..languages import guess_language

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class PlainJob:
    """A job whose model is trained as it is, by its own loss. See `Job`."""

    problem_type: str | None = None
    loss_options: tuple[str, ...] = ()

    def reads_characters(self, part: Any) -> bool:
        return guess_language(part.texts) == "zh"

    def words(self, part: Any) -> dict[str, float] | None:
        return None

    def begin(self, model: "PreTrainedModel", part: Any) -> None:
        config: Any = model.config
        if self.problem_type is not None:
            config.problem_type = self.problem_type

    @contextmanager
    def in_training(self, model: "PreTrainedModel", tasks: dict[str, Any]) -> Iterator[None]:
        yield
