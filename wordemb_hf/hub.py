"""The verb `push`: a model folder, with its heads, to the Hub in one commit."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import UserError
from .messages import translate
from .options import CardLanguage

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

    from .hub_files import Files

_WEIGHTS = (".safetensors", ".safetensors.index.json")


def push(
    folder: Annotated[Path, typer.Argument(help="Folder of a model, as the other verbs write it.")],
    repo: Annotated[str, typer.Argument(help="Its name on the Hub: you/it.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository that only you can see.")] = False,
    revision: Annotated[str | None, typer.Option(help="Branch; a new one begins at main.", metavar="BRANCH")] = None,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Propose it for others to review.")] = False,
    head: Annotated[
        str | None, typer.Option(help="Add it to a repository that exists, as heads/NAME.", metavar="NAME")
    ] = None,
    code_repo: Annotated[
        str | None, typer.Option(help="Name this repository's code; send none.", metavar="ORG/CODE[@REV]")
    ] = None,
    card_language: CardLanguage = None,
    message: Annotated[str | None, typer.Option(help="Of the commit.", metavar="TEXT")] = None,
    token: Annotated[
        str | None, typer.Option(help="Of the Hub.", show_default="that of `hf auth login`", metavar="TOKEN")
    ] = None,
) -> str:
    """Send a model folder to the Hub: weights, tokenizer, code, card, pictures and the heads in `heads/`.

    It is one commit: all of it arrives or nothing. The card names the repository in its examples. A pickle is refused.
    Nothing in the folder is changed, and a push that failed is repeated by the same command.

    Returns:
        The address of the commit, or of the proposal.

    Raises:
        UserError: for a folder that is no model's, a name that cannot be used, or what the Hub refuses.
    """
    folder = Path(folder)
    _check(folder, repo, head, code_repo)
    from .hub_files import gather_files
    from .model_card import check_card_language

    check_card_language(card_language)
    gather_files(folder, repo, head, code_repo, card_language)  # what is wrong at home is told first

    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi(token=token, library_name="wordemb-hf")
    with telling(repo, api.endpoint):
        name = repo if "/" in repo else f"{api.whoami()['name']}/{repo}"
        files, model_type = gather_files(folder, name, head, code_repo, card_language)
        info = _info(api, name)
        if info is None and head is not None:
            raise UserError(f"{name} is not there, or is not for this token: push the model that the head belongs to")
        if info is not None and private and not info.private:
            raise UserError(f"{name} exists and is public: leave --private out, or change it in its settings")
        if info is None:
            api.create_repo(name, private=private or None, exist_ok=True)
        if revision is not None and not revision.startswith("refs/"):
            api.create_branch(name, branch=revision, exist_ok=True)
        there = _files_there(api, name, revision) if info is not None else {}
        if head is None:
            _check_other_model(api, name, revision, there, model_type)
        else:
            _check_code(name, files, there)
        _check_code_repo(api, code_repo, folder)
        prefix = f"heads/{head}/" if head else ""
        # Weights in other pieces than before would be found first, or beside the new ones.
        stale = [path for path in there if re.fullmatch(re.escape(prefix) + r"[^/]+", path)]
        stale = [path for path in stale if path.endswith(_WEIGHTS) and path not in files]
        commit = api.create_commit(
            name,
            operations=[
                *(CommitOperationDelete(path_in_repo=path) for path in stale),
                *(CommitOperationAdd(path, content) for path, content in sorted(files.items())),
            ],
            commit_message=message or (f"Add the head {head}" if head else "Add the model"),
            revision=revision,
            create_pr=create_pr,
        )
    url = commit.pr_url or commit.commit_url
    print(translate("{files} files are at {url}", files=len(files), url=url))
    return str(url)


def _check(folder: Path, repo: str, head: str | None, code_repo: str | None) -> None:
    """Refuse names that the Hub would refuse, in words of ours."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    if head is not None and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", head):
        raise UserError(f"head is {head!r}, but must be a name of letters, digits, '-', '_' and '.'")
    if code_repo is not None and not re.fullmatch(r"[^/@]+/[^/@]+(@[^@]+)?", code_repo):
        raise UserError(f"code_repo is {code_repo!r}, but must be ORG/CODE or ORG/CODE@REVISION")
    for field, name in (("repo", repo), ("code_repo", (code_repo or "").split("@")[0])):
        try:
            if name or field == "repo":
                validate_repo_id(name)
        except HFValidationError as error:
            raise UserError(f"{field} is {name!r}, but must be a name as you/it: {_line(error)}") from error


def _info(api: "HfApi", name: str) -> "ModelInfo | None":
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return api.model_info(name)
    except RepositoryNotFoundError:
        return None


def _files_there(api: "HfApi", name: str, revision: str | None) -> dict[str, str]:
    """The files of a repository and git's names for their contents."""
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(name, recursive=True, revision=revision)
    return {entry.path: entry.blob_id for entry in tree if isinstance(entry, RepoFile)}


def _check_other_model(api: "HfApi", name: str, revision: str | None, there: dict[str, str], model_type: str) -> None:
    """A model does not take the place of another kind of model."""
    import json
    import tempfile

    if "config.json" not in there:
        return
    with tempfile.TemporaryDirectory() as folder:  # not into the cache of models
        path = api.hf_hub_download(name, "config.json", revision=revision, local_dir=folder)
        try:
            other = json.loads(Path(path).read_text(encoding="utf-8")).get("model_type")
        except (ValueError, AttributeError):
            other = None
    if other != model_type:
        raise UserError(f"{name} is taken: it holds a model of type {other}, and this one is {model_type}; rename it")


def _check_code(name: str, files: "Files", there: dict[str, str]) -> None:
    """Code that a head shares with the rest must be the same: the rest was saved with the code that is there."""
    import hashlib

    from .hub_files import code_of

    for path, content in code_of(files).items():
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        if there.get(path, blob) != blob:
            raise UserError(
                f"{name} has another version of {path}, which its models share: push them anew, or take --code-repo"
            )


def _check_code_repo(api: "HfApi", code_repo: str | None, folder: Path) -> None:
    """The repository that is named for the code must have it."""
    if code_repo is None:
        return
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    from .hub_files import modules_of

    name, _, revision = code_repo.partition("@")
    try:
        there = {entry.path for entry in api.list_repo_tree(name, revision=revision or None)}
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise UserError(f"code_repo is {code_repo}, but that is not there, or is not for this token") from error
    for path in sorted(modules_of(folder) - there):
        raise UserError(f"code_repo is {code_repo}, but it has no {path}")


@contextmanager
def telling(repo: str, endpoint: str) -> Iterator[None]:
    """One sentence in place of the many ways in which the Hub and the way to it fail.

    Raises:
        UserError: when the block raises what the Hub's client does.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        sentence = _sentence(error, repo, endpoint)
        if sentence is None:
            raise
        raise UserError(sentence) from error


_AGAIN = "nothing has been changed there, so the same command can be repeated"


def _sentence(error: BaseException, repo: str, endpoint: str) -> str | None:
    """What went wrong, for the user; None for what is not theirs."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    chain: list[BaseException] = [error]
    while (before := chain[-1].__cause__) is not None and before not in chain:
        chain.append(before)
    answered = next((link for link in chain if isinstance(link, HfHubHTTPError)), None)
    if any(isinstance(link, LocalTokenNotFoundError) for link in chain):
        return f"{repo}: there is no token: run `hf auth login`, or give --token"
    if isinstance(error, ValueError) and not isinstance(error, HfHubHTTPError):  # a card, as the client tells it
        return f"{repo}: {' '.join(str(error).split())}"
    if answered is not None:
        return _sentence_of_status(answered, repo, endpoint)
    if any("xet" in f"{type(link).__module__} {link}" for link in chain):
        return _without_xet(endpoint, _line(error))
    # What httpx raises on the way, whichever httpx the client is built on.
    cut = any(type(link).__module__.split(".")[0].startswith(("httpx", "httpcore")) for link in chain)
    if cut or isinstance(error, ConnectionError | TimeoutError):
        return f"the connection to {endpoint} failed ({_line(error)}); {_AGAIN}"
    return None


def _sentence_of_status(error: Any, repo: str, endpoint: str) -> str:
    status = error.response.status_code
    said = error.server_message or _line(error)
    said = " ".join(str(said).split()).rstrip(".")
    if "xet-write-token" in str(error.response.url):
        return _without_xet(endpoint, status)
    if status == 401:
        return f"{repo}: the Hub does not know the token, or there is none (401): run `hf auth login`, or give --token"
    if status == 403:
        return f"{repo}: the token may not write there (403, {said}): take a token or a name that may"
    if status in (404, 410):
        return f"{repo}: not found, or not for this token ({status}, {said})"
    if status in (409, 412):
        return f"{repo} was changed by someone else meanwhile ({status}, {said}); {_AGAIN}"
    if status == 429 or status >= 500:
        return f"{endpoint} answered {status} ({said}); {_AGAIN}"
    return f"{repo}: the Hub refused it ({status}, {said})"


def _without_xet(endpoint: str, why: object) -> str:
    return f"sending through Xet to {endpoint} failed ({why}): where a Hub has no Xet, set HF_HUB_DISABLE_XET=1"


def _line(error: BaseException) -> str:
    """The first line of what an exception says."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
