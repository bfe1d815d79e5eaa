"""The command line: a verb is a function of the package, its help is the function's own.

Nothing heavy is imported here or at the top of a verb's file, so that help answers at once.
"""

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

import wordemb_hf

from .errors import UserError
from .messages import translate

_CONFIG_HELP = "YAML file of options, as in `epochs: 3`; options given here win."


def _load_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make the options of a YAML file the defaults of the command: flags still win."""
    if path is None:
        return None
    import yaml

    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UserError(f"--config {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(options, dict):
        raise UserError(f"--config {path} must hold options and their values, as in `epochs: 3`")
    options = {str(name).replace("-", "_"): value for name, value in options.items()}
    if "set" in options:  # named as on the command line; there it is a list, here a mapping reads better
        fields = options.pop("set")
        options["settings"] = (
            [f"{key}={value}" for key, value in fields.items()] if isinstance(fields, dict) else fields
        )
    known = sorted(parameter.name for parameter in context.command.params if parameter.name not in (None, "config"))
    for name in options:
        if name not in known:
            raise UserError(
                f"--config {path} has an unknown option {name!r}: {context.info_name} has {', '.join(known)}"
            )
    for parameter in context.command.params:  # one word in place of a list of one, as on the command line
        if getattr(parameter, "multiple", False) and isinstance(options.get(parameter.name), str):
            options[parameter.name] = [options[parameter.name]]
    context.default_map = {**(context.default_map or {}), **options}
    return path


def _with_config(verb: Callable[..., Any]) -> Callable[..., None]:
    """The verb with one more option, `--config`, and without the sections of its docstring that are for callers."""

    @wraps(verb)
    def command(*args: Any, **kwargs: Any) -> None:
        kwargs.pop("config")
        verb(*args, **kwargs)

    option = typer.Option(help=_CONFIG_HELP, callback=_load_config, is_eager=True, metavar="FILE")
    config = inspect.Parameter(
        "config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Path | None, option]
    )
    signature = inspect.signature(verb)
    # click calls the callbacks of eager options first, so the file is read before any default is looked up.
    command.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), config]
    )
    hints = {name: hint for name, hint in verb.__annotations__.items() if name != "return"}
    command.__annotations__ = {**hints, "config": config.annotation}
    doc = inspect.getdoc(verb) or ""
    command.__doc__ = doc.split("\nReturns:")[0].split("\nRaises:")[0].strip()
    return command


def make_app(verbs: Iterable[str] = wordemb_hf.VERBS) -> typer.Typer:
    """The command line as a typer application, one command for each of `verbs`."""
    app = typer.Typer(
        name="wordemb-hf",
        help="Word embeddings and small text models for the Hugging Face world.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )

    @app.callback(invoke_without_command=True)
    def version(
        version: Annotated[bool, typer.Option("--version", help="Show the version and leave.", is_eager=True)] = False,
    ) -> None:
        if version:
            print(wordemb_hf.__version__)
            raise typer.Exit

    for name in verbs:
        app.command(name=name)(_with_config(getattr(wordemb_hf, name)))
    return app


def _show_help(app: typer.Typer, verb: str) -> None:
    """What `--help` shows, without reading the other arguments, for which typer loads pydantic: a fifth of the time."""
    group: Any = typer.main.get_command(app)
    command = group.commands[verb]
    parent = group.context_class(group, info_name=group.name)
    print(command.get_help(command.context_class(command, info_name=verb, parent=parent)), end="")
    raise SystemExit(0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit status: 1 for a mistake of the user, told in one sentence."""
    # The libraries' own bars and reports would stand between ours.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    warnings.formatwarning = lambda message, *place, **line: f"{message}\n"  # a sentence, without the code it is from
    warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")  # PyTorch's own business
    try:
        arguments = list(sys.argv[1:] if arguments is None else arguments)
        # One verb's help needs not wait for the options of the others.
        named = [argument for argument in arguments[:1] if argument in wordemb_hf.VERBS]
        app = make_app(named or wordemb_hf.VERBS)
        if named and "--help" in arguments:
            _show_help(app, named[0])
        else:
            app(arguments)
    except UserError as error:
        print(f"{translate('error')}: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(translate("stopped"), file=sys.stderr)
        sys.exit(130)
