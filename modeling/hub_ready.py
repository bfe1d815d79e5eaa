"""Every saved folder is ready for the Hub: all Auto classes of the family load from it, with or without this package."""

import sys


class HubReadyMixin:
    """Writes the complete `auto_map` and the code files; stands before `PreTrainedModel` among the bases.

    transformers maps only the class that is saved, and only after `register_for_auto_class`. A user who fine-tunes a head
    from a folder needs the others as well, so the whole `AUTO_CLASSES` table of the model's own module is written.
    """

    def save_pretrained(self, save_directory, *args, **kwargs):
        cls = type(self)
        table = getattr(sys.modules[cls.__module__], "AUTO_CLASSES", {})
        if cls in table.values():  # a user's own subclass is saved as any other model
            self.config.auto_map = {
                auto_class: _file_and_name(target)
                for auto_class, target in {"AutoConfig": cls.config_class, **table}.items()
            }
            # transformers copies the module, and the siblings that it imports, of a class that has a name here.
            cls._auto_class = next(auto_class for auto_class, model in table.items() if model is cls)
        return super().save_pretrained(save_directory, *args, **kwargs)


def _file_and_name(cls: type) -> str:
    # Remote code lives in transformers_modules.<repo>.<file>: only the file's own name belongs into a map.
    return f"{cls.__module__.rsplit('.', 1)[-1]}.{cls.__name__}"
