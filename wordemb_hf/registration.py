"""Importing is registering: after `import wordemb_hf` every Auto class of transformers knows what is ours.

`import wordemb_hf` must cost nothing, and transformers' Auto modules bring torch with them. So where these modules are
loaded already, classes are registered at once; where they are not, a finder on `sys.meta_path` waits for them and
registers right after they have been executed.
"""

import importlib.util
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType

from .modeling import FAMILIES
from .tokenization import TOKENIZERS

_AUTO = "transformers.models.auto"


def register_configs(auto: ModuleType) -> None:
    """Register every family's config with `AutoConfig`; `auto` is transformers' `configuration_auto`."""
    for family, names in FAMILIES.items():
        config = getattr(import_module(f"wordemb_hf.modeling.configuration_{family}"), names[0])
        auto.AutoConfig.register(config.model_type, config, exist_ok=True)


def register_models(auto: ModuleType) -> None:
    """Register every family's `AUTO_CLASSES`; `auto` is transformers' `modeling_auto`."""
    for family in FAMILIES:
        for auto_class, model in import_module(f"wordemb_hf.modeling.modeling_{family}").AUTO_CLASSES.items():
            getattr(auto, auto_class).register(model.config_class, model, exist_ok=True)


def register_tokenizers(auto: ModuleType) -> None:
    """Register the tokenizers with code of their own; `auto` is transformers' `tokenization_auto`.

    A folder calls for one by the name of its class. transformers' register also wants a config class, whose folders get
    the tokenizer if they call for none; no family has only one, so this is a class that no config is.
    """
    for name, module in TOKENIZERS.items():
        tokenizer = getattr(import_module(f"wordemb_hf.tokenization.{module}"), name)
        auto.AutoTokenizer.register(tokenizer, tokenizer_class=tokenizer, exist_ok=True)


def register_pipelines(pipelines: ModuleType) -> None:
    """Register the pipelines that transformers does not have; `pipelines` is transformers' `pipelines`."""
    auto = import_module(f"{_AUTO}.modeling_auto")
    for family in FAMILIES:
        table = getattr(import_module(f"wordemb_hf.modeling.modeling_{family}"), "PIPELINES", {})
        for task, (name, auto_class) in table.items():
            if task in pipelines.PIPELINE_REGISTRY.supported_tasks:
                continue
            module, _, pipeline = name.partition(".")
            pipelines.PIPELINE_REGISTRY.register_pipeline(
                task,
                pipeline_class=getattr(import_module(f"wordemb_hf.modeling.{module}"), pipeline),
                pt_model=getattr(auto, auto_class),
                type="text",
            )


_REGISTER: dict[str, Callable[[ModuleType], None]] = {
    f"{_AUTO}.configuration_auto": register_configs,
    f"{_AUTO}.modeling_auto": register_models,
    f"{_AUTO}.tokenization_auto": register_tokenizers,
    "transformers.pipelines": register_pipelines,
}


class _AutoModuleFinder(MetaPathFinder):
    """Lets the other finders find transformers' Auto modules, and registers once such a module has been executed."""

    def find_spec(self, name, path=None, target=None):
        if name not in _REGISTER:
            return None
        sys.meta_path.remove(self)  # so that the search below does not come back here
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader, _REGISTER[name])
        return spec


class _RegisteringLoader(Loader):
    """A module's own loader, with one more step at the end."""

    def __init__(self, loader: Loader, register: Callable[[ModuleType], None]):
        self._loader, self._register = loader, register

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        self._register(module)

    def __getattr__(self, name):
        return getattr(self._loader, name)  # get_source and friends, for tracebacks and inspect


def register() -> None:
    """Register everything, now or as soon as transformers' Auto modules are imported; a second call is harmless."""
    for name, action in _REGISTER.items():
        if name in sys.modules:
            action(sys.modules[name])
    if not any(isinstance(finder, _AutoModuleFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AutoModuleFinder())
