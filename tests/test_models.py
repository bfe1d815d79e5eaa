"""Every contract of DESIGN's "what every family keeps", for every model class of every family in `models.py`."""

import ast
import gc
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from accelerate import Accelerator
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, logsigmoid, mse_loss
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerFast, Trainer, TrainingArguments, pipeline

from wordemb_hf import modeling
from wordemb_hf.objectives.windows import ContextWindows, WordWindows
from wordemb_hf.training import TrainingSettings, train
from wordemb_hf.vocabulary import build_tokenizer, encode_corpus

from .models import CASES, FAMILIES, LABELS, LENGTHS, VOCABULARY, Case, Family, each

MODELING = Path(modeling.__file__).parent
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def of(auto_class: str) -> list[Case]:
    return [case for case in CASES if case.auto_class == auto_class]


CLASSIFIERS, TAGGERS = of("AutoModelForSequenceClassification"), of("AutoModelForTokenClassification")
TRAINED = [case for case in CASES if case.task.labels]
PIPELINES = [case for case in CASES if case.task.pipeline and case.task.pipeline != "fill-mask"]
families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def close(actual, expected, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def same(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """The same names, and the same bits under them."""
    assert actual.keys() == expected.keys()
    for name in expected:
        assert torch.equal(actual[name], expected[name]), name


def trained_names(model: nn.Module) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


def loss_of(case: Case, model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The model's loss; of a backbone, which has none, something that depends on all it returns."""
    answer = model(**batch)
    return answer.loss if case.task.labels else sum(answer[name].square().sum() for name in case.task.outputs)


# What comes out


def shape_of(case: Case, output: str, sizes: dict[str, int]) -> tuple[int, ...]:
    config = case.config()
    return tuple(sizes[size] if size in sizes else getattr(config, size) for size in case.task.outputs[output])


@each(CASES)
def test_shapes(case):
    model, batch = case.model(), case.batch()
    sizes = {"batch": len(LENGTHS), "length": max(LENGTHS)}
    for name, output in case.outputs(model, **batch).items():
        assert output.shape == shape_of(case, name, sizes) and output.dtype == torch.float32
        assert output.isfinite().all() and output.std() > 0


@each(CASES)
@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_changes_nothing(case, side):
    lengths = (*LENGTHS, 0)
    model, batch = case.model(), case.batch(lengths, side)
    batch["input_ids"] = batch["input_ids"].where(batch["attention_mask"].bool(), 7)  # the mask alone must say it
    together = case.outputs(model, **batch)
    for row, length in enumerate(lengths):
        tokens = batch["attention_mask"][row].bool()
        texts = {name: tensor[row, tokens].unsqueeze(0) for name, tensor in batch.items() if name != "attention_mask"}
        alone = case.outputs(model, **texts)
        assert tokens.sum() == length
        for name, shape in case.task.outputs.items():
            output = together[name][row]
            close(output[tokens] if "length" in shape else output, alone[name][0])
        if "last_hidden_state" in together:
            assert not together["last_hidden_state"][row, ~tokens].any()


@each(TRAINED)
def test_padding_does_not_change_the_loss(case):
    model = case.model()
    right, left = (model(**case.batch(side=side, labels=True)).loss for side in ("right", "left"))
    close(left, right)


@each(CASES)
@pytest.mark.parametrize("side", ["right", "left"])
def test_without_a_mask_padding_is_known_by_its_id(case, side):
    model, batch = case.model(), case.batch(side=side)
    expected = case.outputs(model, **batch)
    del batch["attention_mask"]
    same(case.outputs(model, **batch), expected)


@each([case for case in CASES if case.family.takes_vectors])
def test_vectors_in_place_of_ids(case):
    if case.variant == "rows":
        pytest.skip("a mean of rows cannot be told from the vectors of words")
    model, batch = case.model(), case.batch()
    table = model.get_input_embeddings()
    for module in model.base_model.modules():  # given vectors fill every channel, so let every channel hold the same
        if isinstance(module, nn.Embedding) and module.weight.shape == table.weight.shape:
            module.weight.data.copy_(table.weight.data)
    expected = case.outputs(model, **batch)
    batch["inputs_embeds"] = case.family.look_up(model, batch)
    del batch["input_ids"]
    close(case.outputs(model, **batch), expected)


@each(CASES)
def test_ids_and_vectors_exclude_each_other(case):
    model, ids = case.model(), case.batch()["input_ids"]
    vectors = torch.zeros(*ids.shape, 6)
    only = [] if case.family.takes_vectors else [{"inputs_embeds": vectors}]
    for inputs in ({}, {"input_ids": ids, "inputs_embeds": vectors}, *only):
        with pytest.raises(ValueError, match="inputs_embeds"):
            model(**inputs)


@each(CASES)
@pytest.mark.parametrize("dtype", [torch.int64, torch.float32], ids=str)
@pytest.mark.parametrize("masked", [True, False], ids=["mask", "no mask"])
def test_texts_of_no_tokens(case, dtype, masked):
    # A tokenizer makes a tensor of floats from lists that are all empty.
    empty = torch.zeros((2, 0), dtype=dtype)
    model = case.model()
    sizes = {"batch": 2, "length": 0}
    inputs = {"input_ids": empty, **({"attention_mask": empty} if masked else {})}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = empty
    for name, output in case.outputs(model, **inputs).items():
        assert output.shape == shape_of(case, name, sizes)
        assert output.isfinite().all()


@each(CASES)
def test_tuples_and_hidden_states(case):
    model, batch = case.model(), case.batch()
    with torch.no_grad():
        plain, full = model(**batch), model(**batch, output_hidden_states=True)
        values = model(**batch, return_dict=False, output_hidden_states=True)
    two = model.config.is_encoder_decoder
    states = ["encoder_hidden_states", "decoder_hidden_states"] if two else ["hidden_states"]
    assert all(getattr(plain, name) is None for name in states)
    assert isinstance(values, tuple)
    close(values, full.to_tuple())
    if case.family.counts_words:
        assert full.hidden_states is None
        return
    for name in states:
        assert full[name]
        for state in full[name]:
            assert state.shape[:2] == batch["input_ids"].shape and state.isfinite().all()
    if "last_hidden_state" in case.task.outputs and not case.family.mixes_layers:
        assert torch.equal(full[states[-1]][-1], full.last_hidden_state)
    model.config.output_hidden_states = True
    with torch.no_grad():
        for name in states:
            close(model(**batch)[name], full[name])


@each([case for case in CASES if case.family.attends])
@pytest.mark.parametrize("side", ["right", "left"])
def test_eager_attention_is_sdpa(case, side):
    lengths = (*LENGTHS, 0)
    model, batch = case.model(), case.batch(lengths, side)
    expected = case.outputs(model, **batch)
    with torch.no_grad():
        seen = model(**batch, output_attentions=True)  # which must compute the weights, whatever the config says
    weights = seen["decoder_attentions" if model.config.is_encoder_decoder else "attentions"]
    assert len(weights) == model.config.num_hidden_layers
    tokens = batch["attention_mask"].bool()
    for layer in (*weights, *(seen.get("cross_attentions") or ())):
        assert layer.shape == (len(lengths), model.config.num_attention_heads, max(lengths), max(lengths))
        close(layer.transpose(1, 2)[tokens].sum(-1), torch.ones(int(tokens.sum()), layer.shape[1]))
        assert not layer.permute(0, 3, 1, 2)[~tokens].any()  # what is padded is never looked at
    model.set_attn_implementation("eager")
    for actual in (seen, case.outputs(model, **batch)):
        close({name: actual[name] for name in expected}, expected)
    assert model(**batch, output_attentions=False).get("attentions") is None


@each([case for case in CASES if case.family.attends and case.task.labels])
def test_gradient_checkpointing_changes_nothing(case):
    model, batch = case.model().train(), case.batch(labels=True)
    loss_of(case, model, batch).backward()
    expected = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    # transformers is about to give it another name.
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
    runs = []
    layers = [module for module in model.modules() if type(module).__name__ == "TransformerLayer"]
    for layer in layers:
        layer.feed_forward.register_forward_pre_hook(lambda *_: runs.append(1))
    loss_of(case, model, {**batch, "use_cache": True}).backward()
    assert len(runs) == 2 * len(layers)  # once more on the way back
    close({name: weight.grad for name, weight in model.named_parameters()}, expected)


@each(CASES)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_close(case, device, dtype):
    model, batch = case.model().to(device), {name: tensor.to(device) for name, tensor in case.batch().items()}
    expected = case.outputs(model, **batch)
    try:
        actual = case.outputs(model.to(dtype), **batch)
    except RuntimeError as error:
        if "not implemented for" not in str(error):
            raise
        pytest.skip(f"no kernel here: {error}")
    for name, output in expected.items():
        assert actual[name].dtype == dtype
        close(actual[name].float(), output, tolerance=0.05 if dtype == torch.bfloat16 else 0.01)


# The loss and its gradients


@each([case for case in CASES if case.learns])
def test_loss_and_gradients(case):
    model, batch = case.model().train(), case.batch(labels=True)
    loss = loss_of(case, model, batch)
    assert loss.shape == () and loss.isfinite() and loss > 0
    loss.backward()
    for name, weight in model.named_parameters():
        if name in case.frozen:
            assert not weight.requires_grad and weight.grad is None, name
        else:
            assert weight.grad.isfinite().all() and weight.grad.any(), name
    assert case.frozen == dict(model.named_parameters()).keys() - trained_names(model)


@each([case for case in CASES if case.frozen])
def test_what_is_frozen_stays_frozen(case, tmp_path):
    case.model().save_pretrained(tmp_path)
    loaded = case.model_class.from_pretrained(tmp_path)
    resized = case.model_class.from_pretrained(tmp_path)
    resized.resize_token_embeddings(VOCABULARY + 4)
    for model in (loaded, resized, case.model_class(case.config())):
        frozen = {name: model.get_parameter(name).clone() for name in case.frozen}
        # Weight decay moves whatever an optimizer holds and has a gradient.
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
        for _ in range(2):
            loss_of(case, model.train(), case.batch(labels=True)).backward()
            optimizer.step()
        same({name: model.get_parameter(name) for name in frozen}, frozen)
        assert trained_names(model) == dict(model.named_parameters()).keys() - case.frozen


@each([case for case in TAGGERS if getattr(case.config(), "tag_decoder", "softmax") == "softmax"])
def test_tags_of_minus_100_are_ignored(case):
    model, batch = case.model(), case.batch(labels=True)
    batch["labels"][:, ::2] = -100
    counted = batch["labels"] != -100
    answer = model(**batch)
    close(answer.loss, cross_entropy(answer.logits[counted], batch["labels"][counted]))


@each([case for case in of("AutoModelForPreTraining") if case.family.name == "word2vec"])
@pytest.mark.parametrize("algorithm", ["skipgram", "cbow"])
def test_word2vec_loss_is_a_loop_over_predictions(case, algorithm):
    model, batch = case.model(algorithm=algorithm), case.batch((4, 1, 3, 0), labels=True)
    batch["labels"][2] = -100  # a window with nothing to predict
    words = case.family.look_up(model, batch)

    def loss(vector, target, noise):
        if case.config().loss == "hierarchical_softmax":
            path = zip(model.huffman_codes[target].tolist(), model.huffman_paths[target].tolist(), strict=True)
            nodes = model.node_embeddings.weight
            return -sum(logsigmoid((1 - 2 * code) * (nodes[node] @ vector)) for code, node in path if code >= 0)
        outputs = model.get_output_embeddings().weight
        noise = [word for word in noise if word != target]
        return -logsigmoid(outputs[target] @ vector) - sum(logsigmoid(-outputs[word] @ vector) for word in noise)

    losses = []
    for row in (0, 1):
        vectors = words[row][batch["attention_mask"][row].bool()]
        for vector in vectors if algorithm == "skipgram" else vectors.mean(0, keepdim=True):
            losses.append(loss(vector, batch["labels"][row], batch["negative_ids"][row]))
    close(model(**batch).loss, sum(losses) / len(losses))
    batch["labels"][:] = -100
    assert model(**batch).loss == 0


@each(CLASSIFIERS)
@pytest.mark.parametrize("stated", [True, False], ids=["stated", "inferred"])
@pytest.mark.parametrize(
    ("problem_type", "num_labels", "labels", "loss"),
    [
        ("regression", 1, torch.tensor([0.5, -1.0, 2.0, 0.0]), lambda x, y: mse_loss(x.squeeze(1), y)),
        ("single_label_classification", 3, torch.tensor([0, 2, 1, 1]), cross_entropy),
        ("multi_label_classification", 3, torch.eye(4, 3), binary_cross_entropy_with_logits),
    ],
    ids=["regression", "single label", "multi label"],
)
def test_kinds_of_classification(case, stated, problem_type, num_labels, labels, loss):
    fields = {"problem_type": problem_type} if stated else {}
    if hasattr(case.config(), "attention_penalty"):
        fields["attention_penalty"] = 0.0  # which would be added to the loss
    model = case.model(num_labels=num_labels, **fields)
    answer = model(**case.batch(), labels=labels)
    assert answer.logits.shape == (4, num_labels)
    close(answer.loss, loss(answer.logits, labels))
    assert model.config.problem_type == problem_type


@each([case for case in CASES if case.learns])
def test_a_seed_decides_everything(case):
    def train_two_steps() -> dict[str, torch.Tensor]:
        torch.manual_seed(3)
        model = case.model_class(case.config(classifier_dropout=0.5)).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        batch = case.batch(labels=True)
        batch.pop("negative_ids", None)  # so that they are drawn
        for _ in range(2):
            optimizer.zero_grad()
            loss_of(case, model, batch).backward()
            optimizer.step()
        return model.state_dict()

    same(train_two_steps(), train_two_steps())


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


# Trainer and pipelines


@pytest.fixture(scope="module", autouse=True)
def nothing_imported_is_garbage():
    """Trainer collects garbage after each training: half a second over all that transformers has imported."""
    gc.freeze()
    yield
    gc.unfreeze()


def by_trainer(case: Case, folder: Path, **arguments) -> tuple[PreTrainedModel, dict[str, float]]:
    batch = case.batch((4, 4, 4, 4), labels=True)
    rows = [{name: tensor[row] for name, tensor in batch.items()} for row in range(4)]
    arguments = TrainingArguments(folder, max_steps=1, report_to="none", use_cpu=True, disable_tqdm=True, **arguments)
    trainer = Trainer(model=case.model(), args=arguments, train_dataset=rows, eval_dataset=rows)
    result = trainer.train()
    assert result.global_step == 1
    return trainer.model, {"train_loss": result.training_loss, **trainer.evaluate()}


@each(TRAINED)
def test_trains_under_trainer(case, tmp_path):
    plain = {"learning_rate": 0.1, "optim": "sgd", "max_grad_norm": 0.0}  # Adam and clipping would hide a wrong scale
    whole, figures = by_trainer(case, tmp_path, per_device_train_batch_size=4, **plain)
    halves, accumulated = by_trainer(
        case, tmp_path, per_device_train_batch_size=2, gradient_accumulation_steps=2, **plain
    )
    for name in ("train_loss", "eval_loss"):
        assert np.isfinite(figures[name]) and accumulated[name] == pytest.approx(figures[name], rel=1e-5)
    start = case.model().state_dict()
    assert not all(torch.equal(weight, start[name]) for name, weight in whole.state_dict().items())
    close(halves.state_dict(), whole.state_dict())


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(["the cat sat on the mat , the dog ate it all ."], min_count=1)


@each(PIPELINES)
def test_works_in_its_pipeline(case, tokenizer):
    texts = ["The cat  ate!", "", "on the mat", "dog"]
    model = case.model(vocab_size=VOCABULARY)
    run = pipeline(case.task.pipeline, model=model, tokenizer=tokenizer)
    answers = run(texts)
    assert len(answers) == len(texts)
    if case.task.pipeline == "token-classification":
        assert [[(row["start"], row["end"]) for row in answer] for answer in answers] == [
            [(0, 3), (4, 7), (9, 12), (12, 13)],
            [],
            [(0, 2), (3, 6), (7, 10)],
            [(0, 3)],
        ]
        # transformers itself cannot put an empty text into a batch here: it has no offsets to pad.
        texts = [text for text in texts if text]
        answers = [answer for answer in answers if answer]
    batched = run(texts, batch_size=len(texts))
    for text, one, two in zip(texts, answers, batched, strict=True):
        if case.task.pipeline == "feature-extraction":
            tokens = len(tokenizer.tokenize(text))
            assert len(one[0]) == tokens
            close(torch.tensor(two[0][:tokens]), torch.tensor(one[0]))  # transformers leaves the batch's padding in
        else:
            one, two = (answer if isinstance(answer, list) else [answer] for answer in (one, two))
            assert two == [row | {"score": pytest.approx(row["score"], abs=1e-5)} for row in one]


@each([case for case in CASES if case.task.pipeline == "fill-mask"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_fills_in_what_is_masked(case, batch_size):
    texts = ["the cat sat on the mat , the dog ate it all ."]
    tokenizer = build_tokenizer(texts, min_count=1, special_tokens=["<mask>"])
    model = case.model(vocab_size=VOCABULARY)
    run = pipeline("fill-mask", model=model, tokenizer=tokenizer, targets=["cat", "dog", "mat"])
    asked = ["the <mask> sat", "<mask>", "it ate the <mask> on the mat ."]
    answers = run(asked, batch_size=batch_size)
    for text, answer in zip(asked, answers, strict=True):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        place = (ids[0] == tokenizer.mask_token_id).nonzero().item()
        with torch.no_grad():
            expected = model(ids).logits[0, place].softmax(-1)
        assert {row["token_str"] for row in answer} == {"cat", "dog", "mat"}
        for row in answer:
            assert row["score"] == pytest.approx(expected[row["token"]].item(), abs=1e-5)


# Abilities


@each([case for case in of("AutoModelForMaskedLM") if not case.family.sees_masks])
def test_a_cloze_model_never_sees_the_word_itself(case):
    """What it says of a place does not depend on what stands there, and does on what stands around."""
    model, batch = case.model(), case.batch()
    logits = case.outputs(model, **batch)["logits"]
    for place in range(5):
        other = {name: tensor.clone() for name, tensor in batch.items()}
        other["input_ids"][0, place] = 3 if batch["input_ids"][0, place] != 3 else 4
        if "character_ids" in other:
            other["character_ids"][0, place] += 1
        changed = case.outputs(model, **other)["logits"][0, :5]
        same_rows = [torch.equal(changed[row], logits[0, row]) for row in range(5)]
        assert same_rows == [row == place for row in range(5)]


@each(of("AutoModelForMaskedLM"))
def test_a_cloze_model_learns_from_both_sides(case):
    """The word in the middle is what its two neighbours say together."""
    torch.manual_seed(0)
    wide = {"embedding_size": 48, "hidden_size": 48, "num_hidden_layers": 1}
    model = case.model_class(case.config(**wide)).train()
    case.family.prepare(model)
    texts = torch.tensor([[6 + left, 2 + left + 2 * right, 8 + right] for left in (0, 1) for right in (0, 1)])
    labels = torch.full_like(texts, -100)
    labels[:, 1] = texts[:, 1]
    if case.family.sees_masks:
        texts = texts.clone()
        texts[:, 1] = VOCABULARY - 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.002 if case.family.attends else 0.01)
    for _ in range(200):
        optimizer.zero_grad()
        model(texts, labels=labels).loss.backward()
        optimizer.step()
    assert torch.equal(model.eval()(texts).logits.argmax(-1)[:, 1], labels[:, 1])


def fit(case: Case, model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The answers that a model gives after it has seen one batch many times; attention learns in small steps."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=0.005 if case.family.attends else 0.03)
    for _ in range(400 if case.family.attends else 150):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    with torch.no_grad():
        return model.eval()(**batch).logits.argmax(-1)


@pytest.fixture
def texts() -> torch.Tensor:
    """Random words, `(64, 6)`, with the words 2 and 3 side by side somewhere, in one order or the other."""
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(4, VOCABULARY, (64, 6), generator=random)
    for row, place in enumerate(torch.randint(0, 5, (64,), generator=random)):
        ids[row, place], ids[row, place + 1] = (2, 3) if row % 2 else (3, 2)
    return ids


@each(CLASSIFIERS)
def test_learns_to_classify(case, texts):
    """By the order of two words, or, where order is not seen, by which of them is there."""
    labels = (torch.arange(64) % 2).long()
    if not case.family.sees_context:
        texts = torch.where((texts == 3 - labels.unsqueeze(1)), 4, texts)
    model = case.model(num_labels=2)
    assert torch.equal(fit(case, model, {"input_ids": texts, "labels": labels}), labels)


@each(TAGGERS)
def test_learns_to_tag(case, texts):
    """By the word before, or, where neighbours are not seen, by the word itself."""
    texts = texts.remainder(6) + 2
    labels = texts % LABELS
    if case.family.sees_context:
        labels = labels.roll(1, dims=1)
        labels[:, 0] = -100
    answers = fit(case, case.model(), {"input_ids": texts, "labels": labels})
    assert torch.equal(answers[labels != -100], labels[labels != -100])


@pytest.mark.parametrize("loss", ["negative_sampling", "hierarchical_softmax"])
@pytest.mark.parametrize("algorithm", ["skipgram", "cbow"])
def test_word2vec_finds_planted_neighbours(algorithm, loss):
    """Words that share their contexts and never meet, `king` and `queen`, end up side by side."""
    rng = np.random.default_rng(0)
    documents = []
    for _ in range(1500):
        topic, twin = rng.integers(6), rng.integers(2)
        around = [f"around{topic}{number}" for number in rng.permutation(5)]
        documents.append(" ".join([*around[:2], f"planted{topic}{'ab'[twin]}", *around[2:4]]))
    tokenizer = build_tokenizer(documents, min_count=1)
    ids = encode_corpus(tokenizer, documents)
    counts = ids.counts(len(tokenizer))

    torch.manual_seed(0)
    config = modeling.Word2VecConfig(vocab_size=len(tokenizer), hidden_size=16, algorithm=algorithm, loss=loss)
    model = modeling.Word2VecForPreTraining(config)
    model.set_word_counts(torch.from_numpy(counts))
    objective = ContextWindows if algorithm == "cbow" else WordWindows
    windows = objective(ids.ids, ids.offsets, counts, window_size=3, subsample_threshold=0.0, batch_size=64, seed=0)
    settings = TrainingSettings(epochs=6, learning_rate=0.1, optimizer="sgd", summed_loss=True)
    losses = [row["loss"] for row in train(model, windows, settings, Accelerator(cpu=True)).history]
    assert losses[-1] < 0.75 * losses[0]

    vectors = nn.functional.normalize(model.get_input_embeddings().weight.detach(), dim=1)
    planted = [f"planted{topic}{twin}" for topic in range(6) for twin in "ab"]
    rows = vectors[tokenizer.convert_tokens_to_ids(planted)]
    nearest = (rows @ rows.T).fill_diagonal_(-1).argmax(1)
    assert [planted[row] for row in nearest] == [word[:-1] + "ba"[word[-1] == "b"] for word in planted]
