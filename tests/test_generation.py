"""Language models of every family write: with their cache as without, in a batch as alone, and for a constant price."""

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import pipeline

from wordemb_hf.vocabulary import build_tokenizer

from .models import CASES, VOCABULARY, Case, each

WRITERS = [case for case in CASES if case.task.generates]
writers = each(WRITERS)
LENGTHS = (5, 1, 3)

WAYS = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "top_k": 10},
    "beams": {"do_sample": False, "num_beams": 3, "num_return_sequences": 2},
    "sampling beams": {"do_sample": True, "num_beams": 2},
}


def write(model, seed: int = 0, **options) -> torch.Tensor:
    torch.manual_seed(seed)
    return model.generate(**{"max_new_tokens": 6, "pad_token_id": 0, "eos_token_id": -1, **options})


@writers
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_cache_changes_nothing(case: Case, way):
    model, batch = case.model(), case.batch(LENGTHS, side="left")
    written = write(model, **batch, **way)
    assert torch.equal(written, write(model, **batch, **way, use_cache=False))
    assert written.shape == (len(LENGTHS) * way.get("num_return_sequences", 1), max(LENGTHS) + 6)


@writers
def test_a_batch_writes_what_each_text_does_alone(case: Case):
    model, batch = case.model(), case.batch(LENGTHS, side="left")
    together = write(model, **batch, do_sample=False)
    for row, length in enumerate(LENGTHS):
        alone = write(model, input_ids=batch["input_ids"][row : row + 1, -length:], do_sample=False)
        assert torch.equal(alone[0], together[row, -len(alone[0]) :])


@writers
def test_going_on_from_a_cache_is_reading_again(case: Case):
    model, batch = case.model(), case.batch((6, 6, 4), side="left")
    ids, mask = batch["input_ids"], batch["attention_mask"]
    with torch.no_grad():
        whole = model(ids, attention_mask=mask, use_cache=True)
        past = model(ids[:, :4], attention_mask=mask[:, :4], use_cache=True).past_key_values
        rest = model(ids[:, 4:], attention_mask=mask, past_key_values=past)
    torch.testing.assert_close(rest.logits, whole.logits[:, 4:])
    for one, two in zip(past.layers, whole.past_key_values.layers, strict=True):
        torch.testing.assert_close(one.keys, two.keys)
        torch.testing.assert_close(one.values, two.values)
    assert past.get_seq_length() == whole.past_key_values.get_seq_length() == 6


@each([case for case in WRITERS if not case.family.keeps_all])
def test_the_state_does_not_grow(case: Case):
    model, sizes = case.model(), []
    for length in (1, 50):
        past = model(torch.full((2, length), 5), use_cache=True).past_key_values
        sizes.append(sum(layer.keys.numel() + layer.values.numel() for layer in past.layers))
    assert sizes[0] == sizes[1] > 0


@writers
def test_the_loss_is_that_of_the_next_token(case: Case):
    model, batch = case.model(), case.batch(labels=True)
    labels = batch.pop("labels")
    logits = model(**batch).logits
    answer = model(**batch, labels=labels)
    expected = cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    torch.testing.assert_close(answer.loss, expected)
    assert answer.logits is None
    shifted = torch.nn.functional.pad(labels, (0, 1), value=-100)[:, 1:]
    torch.testing.assert_close(model(**batch, shift_labels=shifted).loss, expected)
    torch.testing.assert_close(model(**batch, labels=labels, logits_to_keep=2).logits, logits[:, -2:])


@writers
def test_learns_what_comes_next(case: Case):
    """A rhyme: each line's last word depends on its first, which a unigram cannot know."""
    sizes = {"embedding_size": 32, "hidden_size": 32, "projection_size": 32, "cell_size": 64}
    fields = case.config().__dataclass_fields__
    torch.manual_seed(0)
    model = case.model_class(case.config(**{name: size for name, size in sizes.items() if name in fields})).train()
    case.family.prepare(model)
    lines = torch.tensor([[2, 3, 4], [5, 3, 6], [7, 3, 8]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005 if case.family.attends else 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        model(lines, labels=lines).loss.backward()
        optimizer.step()
    written = write(model.eval(), input_ids=lines[:, :1], max_new_tokens=2, do_sample=False)
    assert torch.equal(written, lines)


@writers
@pytest.mark.parametrize("batch_size", [1, 3])
def test_works_in_its_pipeline(case: Case, batch_size):
    texts = ["the cat sat on the mat , the dog ate it all ."]
    tokenizer = build_tokenizer(texts, min_count=1, special_tokens=["<s>", "</s>"])
    model = case.model(vocab_size=VOCABULARY, bos_token_id=2, eos_token_id=3)
    run = pipeline("text-generation", model=model, tokenizer=tokenizer)
    answers = run(["the cat", "on", "it all ."], max_new_tokens=4, do_sample=False, batch_size=batch_size)
    for prompt, (answer,) in zip(["the cat", "on", "it all ."], answers, strict=True):
        assert answer["generated_text"].startswith(prompt)
        assert answer == run(prompt, max_new_tokens=4, do_sample=False)[0]
