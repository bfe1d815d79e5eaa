"""Every saved folder is ready for the Hub: all Auto classes of the family load from it, even without this package."""

import sys
from typing import TYPE_CHECKING

from transformers import PreTrainedModel

# A plain mixin; only a type checker needs to know what stands behind it among the bases of a class.
if TYPE_CHECKING:
    _Mixin = PreTrainedModel
else:
    _Mixin = object


class HubReadyMixin(_Mixin):
    """Writes the complete `auto_map` and the code files; stands before `PreTrainedModel` among the bases.

    transformers maps only the class that is saved, and only after `register_for_auto_class`. A user who fine-tunes a
    head from a folder needs the others as well, so the whole `AUTO_CLASSES` table of the model's own module is written.
    """

    def save_pretrained(self, save_directory, *args, **kwargs):
        cls = type(self)
        table = getattr(sys.modules[cls.__module__], "AUTO_CLASSES", {})
        if cls in table.values():
            self.config.auto_map = {
                auto_class: _file_and_name(target)
                for auto_class, target in {"AutoConfig": cls.config_class, **table}.items()
            }
            # transformers copies the module, and the siblings that it imports, of a class that has a name here.
            cls.register_for_auto_class(next(auto_class for auto_class, model in table.items() if model is cls))
        elif "_auto_class" not in vars(cls):
            cls._auto_class = None  # a user's own subclass is saved as any other model, and not as its base
        return super().save_pretrained(save_directory, *args, **kwargs)

    def _initialize_weights(self, module, is_custom_code=False):
        # In code that is not its own, transformers leaves out every module that has no parameters by itself: it may
        # overwrite what was loaded. Ours draws with `transformers.initialization`, which never does.
        super()._initialize_weights(module)


def _file_and_name(cls: type) -> str:
    # Remote code lives in transformers_modules.<repo>.<file>: only the file's own name belongs into a map.
    return f"{cls.__module__.rsplit('.', 1)[-1]}.{cls.__name__}"
