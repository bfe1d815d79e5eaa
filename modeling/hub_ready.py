"""Every saved folder is ready for the Hub: all Auto classes of the family load from it, even without this package."""

import filecmp
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from huggingface_hub import HfApi
from transformers import PreTrainedModel

# A plain mixin; only a type checker needs to know what stands behind it among the bases of a class.
if TYPE_CHECKING:
    _Mixin = PreTrainedModel
else:
    _Mixin = object


class HubReadyMixin(_Mixin):
    """Writes the complete `auto_map` and the code files; stands before `PreTrainedModel` among the bases.

    A module's table `PIPELINES` names the pipelines that travel with its models: task to the pipeline's file and class,
    and to the Auto class that loads its model. The module imports that file, so that it is copied too.

    transformers maps only the class that is saved, and only after `register_for_auto_class`. A user who fine-tunes a
    head from a folder needs the others as well, so the whole `AUTO_CLASSES` table of the model's own module is written.
    """

    def save_pretrained(self, save_directory, *args, push_to_hub=False, **kwargs):
        if push_to_hub:  # by ours: the other one writes a card of its own over that of the folder
            names = ("private", "token", "revision", "create_pr", "commit_message", "max_shard_size")
            options = {name: kwargs.pop(name) for name in names if name in kwargs}
            repo_id = kwargs.pop("repo_id", Path(save_directory).name)
            self.save_pretrained(save_directory, *args, **kwargs)
            if kwargs.get("is_main_process", not args or args[0]):
                self.push_to_hub(repo_id, **options)
            return None
        cls = type(self)
        table = getattr(sys.modules[cls.__module__], "AUTO_CLASSES", {})
        if cls in table.values():
            self.config.auto_map = {
                auto_class: _file_and_name(target)
                for auto_class, target in {"AutoConfig": cls.config_class, **table}.items()
            }
            # Pipelines that transformers does not have; written anew, since loading one puts classes into the config.
            pipelines = getattr(sys.modules[cls.__module__], "PIPELINES", {})
            if pipelines:
                self.config.custom_pipelines = {
                    task: {"impl": target, "pt": [auto_class]} for task, (target, auto_class) in pipelines.items()
                }
            # transformers copies the module, and the siblings that it imports, of a class that has a name here.
            cls.register_for_auto_class(next(auto_class for auto_class, model in table.items() if model is cls))
        elif "_auto_class" not in vars(cls):
            cls._auto_class = None  # a user's own subclass is saved as any other model, and not as its base
        return super().save_pretrained(save_directory, *args, **kwargs)

    def push_to_hub(  # type: ignore[override]  # the other's type is one of a wrapper
        self,
        repo_id,
        *,
        commit_message=None,
        commit_description=None,
        private=None,
        token=None,
        revision=None,
        create_pr=False,
        max_shard_size="50GB",
        tags=None,
    ):
        """As transformers' own, but for the card.

        A card that the repository has stays. Else the one of the folder that the model was loaded from goes along, if
        the weights are still those of that folder, or a short one.
        """
        api = HfApi(token=token)
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        if revision is not None and not revision.startswith("refs/"):
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, max_shard_size=max_shard_size)
            if not api.file_exists(repo_id, "README.md", revision=revision):
                self._write_card(Path(folder), repo_id, [tags] if isinstance(tags, str) else tags or [])
            return api.upload_folder(
                repo_id=repo_id,
                folder_path=folder,
                commit_message=commit_message or "Upload model",
                commit_description=commit_description,
                revision=revision,
                create_pr=create_pr,
            )

    def _write_card(self, folder, repo_id, tags):
        source, weights = Path(self.name_or_path or ""), "model.safetensors"
        files = (source / weights, folder / weights, source / "README.md")
        if all(file.is_file() for file in files) and filecmp.cmp(*files[:2], shallow=False):
            lines = files[2].read_text(encoding="utf-8").split("\n")
            lines = [f'repo = "{repo_id}"' if line.startswith('repo = "') else line for line in lines]
            for picture in source.glob("*.png"):
                shutil.copyfile(picture, folder / picture.name)
        else:
            cls = type(self)
            table = getattr(sys.modules[cls.__module__], "AUTO_CLASSES", {})
            auto_class = next((name for name, model in table.items() if model is cls), "AutoModel")
            family = self.config.model_type.removeprefix("wordemb_")
            lines = ["---", "library_name: transformers", "tags:"]
            lines += [f"- {tag}" for tag in dict.fromkeys(["wordemb-hf", family.replace("_", "-"), *tags])]
            lines += ["---", "", f"# {repo_id.rsplit('/', 1)[-1]}", ""]
            lines += [f"{cls.__name__} of {self.num_parameters():,} parameters.", "", "```python"]
            lines += [f"from transformers import {auto_class}", ""]
            lines += [f'model = {auto_class}.from_pretrained("{repo_id}", trust_remote_code=True)', "```", ""]
        (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")

    def _initialize_weights(self, module, is_custom_code=False):
        # In code that is not its own, transformers leaves out every module that has no parameters by itself: it may
        # overwrite what was loaded. Ours draws with `transformers.initialization`, which never does.
        super()._initialize_weights(module)


def _file_and_name(cls: type) -> str:
    # Remote code lives in transformers_modules.<repo>.<file>: only the file's own name belongs into a map.
    return f"{cls.__module__.rsplit('.', 1)[-1]}.{cls.__name__}"
