"""Where word vectors come from: a model folder, a file of vectors, or a repository on the Hub."""

from pathlib import Path

from ..errors import UserError

FILES = ("tokenizer.json", "tokenizer_config.json", "config.json", "model.safetensors")


def downloaded(name: str, revision: str | None = None) -> Path:
    """The folder of a Hub repository's word vectors: what they need of it and no more; from the cache when offline.

    Args:
        name: `you/it`, or `you/it@revision`.
        revision: a branch, tag or commit, if the name has none.

    Raises:
        UserError: when there is no such repository, or no way to it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    name, _, own = name.partition("@")
    revision = own or revision
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except HFValidationError as error:
        raise UserError(f"{name} is no folder of word vectors: there is no such folder or file") from error
    except OSError as error:  # what the client raises is of this kind, with or without a network
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(
            f"{name} is no folder of word vectors, and is not to be had from the Hub: {first_line}"
        ) from error
