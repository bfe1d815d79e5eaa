"""The contracts on what a model writes and reads, and on its settings, for every class of every family."""

import ast
import json
from pathlib import Path

import pytest
import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedModel

from .contracts import MODELING, families, loss_of, of, same, trained_names
from .models import CASES, FAMILIES, VOCABULARY, Case, Family, each

# Folders


def load_report(model_class: type[PreTrainedModel], folder: Path) -> tuple[PreTrainedModel, dict]:
    model, report = model_class.from_pretrained(folder, output_loading_info=True)
    assert not report["mismatched_keys"] and not report["error_msgs"]
    return model, report


@each(CASES)
def test_saves_and_loads_the_same_bits(case, tmp_path):
    model, batch = case.model(), case.batch()
    model.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".py", ".safetensors"}
    again, report = load_report(case.auto, tmp_path)  # an Auto class, in place of the class itself
    assert type(again) is case.model_class and not again.training
    assert not report["missing_keys"] and not report["unexpected_keys"]
    same(again.state_dict(), model.state_dict())
    same(case.outputs(again, **batch), case.outputs(model, **batch))
    assert trained_names(again) == trained_names(model)
    ignored = {"dtype", "_name_or_path", "transformers_version", "architectures"}
    before, after = ({k: v for k, v in m.config.to_dict().items() if k not in ignored} for m in (model, again))
    assert after == before


def sibling_files(path: Path) -> set[str]:
    """The file's own name and those of all that it imports relatively, near and far."""
    found = {path.name}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            found |= sibling_files(path.with_name(f"{node.module}.py"))
    return found


@each(CASES)
def test_a_bare_save_is_ready_for_the_hub(case, tmp_path):
    case.model().save_pretrained(tmp_path)
    name = case.family.name
    expected = {auto: f"modeling_{name}.{model.__name__}" for auto, model in case.family.auto_classes.items()}
    expected["AutoConfig"] = f"configuration_{name}.{case.family.config_class.__name__}"
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["auto_map"] == expected
    assert config["architectures"] == [case.model_class.__name__]
    assert {path.name for path in tmp_path.glob("*.py")} == sibling_files(MODELING / f"modeling_{name}.py")
    for path in tmp_path.glob("*.py"):
        assert path.read_bytes() == (MODELING / path.name).read_bytes()


@families
def test_a_users_own_subclass_is_saved_as_any_other_model(family, tmp_path):
    case = Case(family, next(iter(family.variants)), "AutoModel")
    case.model().save_pretrained(tmp_path / "ours")  # which must leave nothing behind on the class
    subclass = type("Mine", (case.model_class,), {"__module__": __name__})
    subclass(case.config()).save_pretrained(tmp_path / "mine")
    assert {path.suffix for path in (tmp_path / "mine").iterdir()} == {".json", ".safetensors"}


@families
def test_auto_classes_are_complete(family):
    module = __import__(f"wordemb_hf.modeling.modeling_{family.name}", fromlist=["*"])
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, PreTrainedModel) and value.__module__ == module.__name__
    ]
    prefix = family.config_class.__name__.removesuffix("Config")
    for model in own:
        kind = model.__name__.removeprefix(prefix)
        if kind != "PreTrainedModel":
            kind = {"Model": "", "ForConditionalGeneration": "ForSeq2SeqLM"}.get(kind, kind)
            assert module.AUTO_CLASSES[f"AutoModel{kind}"] is model
            assert model.config_class is family.config_class
            assert model.base_model_prefix == family.name
    assert len(module.AUTO_CLASSES) == len(own) - 1
    assert family.config_class.model_type == f"wordemb_{family.name}"


@families
def test_heads_share_no_parameter(family, tmp_path):
    """Each class loads each other's folder: what is new to it is reported as missing, and nothing else."""
    cases = [Case(family, list(family.variants)[-1], auto_class) for auto_class in family.auto_classes]
    prefix = f"{family.auto_classes['AutoModel'].base_model_prefix}."
    states = [{n.removeprefix(prefix): t for n, t in case.model().state_dict().items()} for case in cases]
    for source, given in zip(cases, states, strict=True):
        source.model().save_pretrained(tmp_path / source.auto_class)
        for target, wanted in zip(cases, states, strict=True):
            model, report = load_report(target.model_class, tmp_path / source.auto_class)
            missing = {name.removeprefix(prefix) for name in report["missing_keys"]}
            tied = set(model.all_tied_weights_keys) - given.keys()  # with the vectors that are there
            assert missing == wanted.keys() - given.keys() - tied, f"{source} to {target}"
            if source.auto_class == "AutoModel":
                idle = given.keys() - wanted.keys()  # a pooling that the head has no use for
                assert {name.removeprefix(prefix) for name in report["unexpected_keys"]} <= idle
            state = {name.removeprefix(prefix): tensor for name, tensor in model.state_dict().items()}
            common = state.keys() & given.keys()
            same({name: state[name] for name in common}, {name: given[name] for name in common})
            if target is not source:
                heads = common & heads_of(source)
                assert heads <= family.shared, f"{source} and {target} share {heads}"


def heads_of(case: Case) -> set[str]:
    """Parameters outside the backbone."""
    prefix = f"{case.model_class.base_model_prefix}."
    names = set() if case.auto_class == "AutoModel" else set(case.model().state_dict())
    return {name for name in names if not name.startswith(prefix)}


@each([case for case in CASES if case.auto_class != "AutoModel"])
def test_what_a_folder_lacks_is_initialised(case, tmp_path):
    Case(case.family, case.variant, "AutoModel").model().save_pretrained(tmp_path)
    torch.manual_seed(0)
    fresh = case.model_class(case.config()).state_dict()
    try:
        torch.use_deterministic_algorithms(True)  # memory that nobody has written is filled with NaN or the largest int
        model, report = load_report(case.model_class, tmp_path)
    finally:
        torch.use_deterministic_algorithms(False)
    state = model.state_dict()
    assert report["missing_keys"]
    for name in report["missing_keys"]:
        expected, actual = fresh[name].double(), state[name].double()
        assert actual.isfinite().all() and actual.shape == expected.shape, name
        if expected.unique().numel() <= 2:  # constants, such as a bias of zeros
            assert torch.equal(actual, expected), name
        elif actual.numel() < 10:  # too few to tell how they were drawn
            assert actual.unique().numel() == actual.numel(), name
        else:  # drawn: of the same kind, and not the same for all
            assert 0.5 < actual.std() / expected.std() < 2 and actual.abs().max() < 2 * expected.abs().max(), name


@each(CASES)
def test_every_module_is_initialised(case, monkeypatch):
    """transformers takes a module without parameters of its own for initialised if its code is not transformers'."""

    def fresh():
        torch.manual_seed(0)
        return case.model_class(case.config()).state_dict()

    built = fresh()
    monkeypatch.setattr(PreTrainedModel, "is_custom_code", lambda self: False)
    for name, expected in fresh().items():
        assert torch.equal(built[name], expected), name


@each(CASES)
def test_is_built_on_the_meta_device(case):
    with torch.device("meta"):
        model = case.model_class(case.config())
    state = case.model().state_dict()
    assert all(tensor.is_meta for tensor in model.state_dict().values())
    model.load_state_dict(state, assign=True)
    same(case.outputs(model.eval(), **case.batch()), case.outputs(case.model(), **case.batch()))


@each(CASES)
@pytest.mark.parametrize(
    "resize", [(VOCABULARY + 5, None), (VOCABULARY - 9, None), (VOCABULARY + 2, 16)], ids=["up", "down", "multiple"]
)
def test_the_vocabulary_is_resized(case, resize, tmp_path):
    model = case.model()
    if case.auto_class in case.family.cannot_resize:
        with pytest.raises(ValueError, match="resize"):
            model.resize_token_embeddings(*resize)
        return
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trained = trained_names(model)
    model.resize_token_embeddings(*resize)
    size = resize[0] if resize[1] is None else -(-resize[0] // resize[1]) * resize[1]
    common = min(size, VOCABULARY)
    assert model.config.vocab_size == size and model.get_input_embeddings().num_embeddings == size
    assert trained_names(model) == trained
    for name, tensor in model.state_dict().items():
        rows = size if before[name].shape[0] == VOCABULARY else before[name].shape[0]
        assert tensor.shape == (rows, *before[name].shape[1:]) and tensor.isfinite().all(), name
        if size >= VOCABULARY or name not in case.family.made_anew:
            assert torch.equal(tensor[:common], before[name][:common]), name
    batch = case.batch(labels=True)
    batch["input_ids"] = torch.full_like(batch["input_ids"], size - 1)
    if batch.get("labels", torch.zeros(0)).shape == batch["input_ids"].shape:
        batch["labels"] = batch["labels"].clamp(max=size - 1)  # the labels of a language model are words as well
    loss = loss_of(case, model, batch)
    if case.learns:
        loss.backward()
    assert loss.isfinite()
    model.save_pretrained(tmp_path)
    same(case.auto.from_pretrained(tmp_path).state_dict(), model.state_dict())


# Configs


def refuses(family: Family, field: str, value: object) -> None:
    with pytest.raises(StrictDataclassError, match=rf"\b{field}\b"):
        family.config_class(**{field: value})


def own_fields(family: Family) -> list[str]:
    fields = family.config_class.__dataclass_fields__
    return [name for name in fields if name not in transformers.PreTrainedConfig.__dataclass_fields__]


@families
def test_a_value_of_the_wrong_type_is_refused_by_its_field(family):
    for field in own_fields(family):
        default = family.config_class.__dataclass_fields__[field].default
        for value in (
            {},
            1 if isinstance(default, bool) else True,
            "8",
        ):  # what a JSON file may hold, or a command line
            refuses(family, field, value)


@pytest.mark.parametrize(
    ("family", "field", "value"),
    [(family, *pair) for family in FAMILIES for pair in family.refused],
    ids=lambda value: getattr(value, "name", None) or str(value),
)
def test_an_impossible_value_is_refused_by_its_field(family, field, value):
    refuses(family, field, value)


@each(of("AutoModel"))
def test_a_config_survives_its_folder(case, tmp_path):
    config = case.config(id2label={0: "bad", 1: "good"})
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert type(again) is type(config)
    for field in [*own_fields(case.family), "id2label", "num_labels"]:
        assert getattr(again, field) == getattr(config, field)
