"""The recurrent encoder–decoder: what it writes, with its cache as without, in a batch as alone, and what it learns."""

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import DataCollatorForSeq2Seq

from wordemb_hf.vocabulary import build_tokenizer

from .models import CASES, Case, each

WRITERS = [
    case for case in CASES if case.family.name == "attention_seq2seq" and case.auto_class == "AutoModelForSeq2SeqLM"
]
writers = each(WRITERS)
LENGTHS = (5, 1, 3)
FIRST = WRITERS[0]

WAYS = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "top_k": 10},
    "beams": {"do_sample": False, "num_beams": 3, "num_return_sequences": 2, "length_penalty": 0.5},
    "sampling beams": {"do_sample": True, "num_beams": 2},
}


def sources(case: Case, lengths=LENGTHS, side: str = "right") -> dict[str, torch.Tensor]:
    return {name: ids for name, ids in case.batch(lengths, side).items() if not name.startswith("decoder")}


def write(model, seed: int = 0, **options) -> torch.Tensor:
    torch.manual_seed(seed)
    return model.generate(**{"max_new_tokens": 6, "pad_token_id": 0, "eos_token_id": -1, **options})


@writers
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_cache_changes_nothing(case: Case, way):
    model, batch = case.model(), sources(case)
    written = write(model, **batch, **way)
    assert torch.equal(written, write(model, **batch, **way, use_cache=False))
    assert written.shape == (len(LENGTHS) * way.get("num_return_sequences", 1), 7)


@writers
def test_beams_are_an_exhaustive_search_when_they_are_many(case: Case):
    """With as many beams as there are beginnings, the best text of two words is found, and the score is its own."""
    model, batch = case.model(), sources(case, (4,))
    best = model.generate(
        **batch, num_beams=29, max_new_tokens=2, eos_token_id=-1, output_scores=True, return_dict_in_generate=True
    )
    words = torch.cartesian_prod(torch.arange(29), torch.arange(29))
    read = torch.cat([torch.ones(len(words), 1).long(), words[:, :1]], dim=1)
    logits = model(**{name: ids.expand(len(words), -1) for name, ids in batch.items()}, decoder_input_ids=read).logits
    totals = logits.log_softmax(-1).gather(2, words.unsqueeze(-1)).sum((1, 2))
    assert best.sequences[0, 1:].tolist() == words[totals.argmax()].tolist()
    torch.testing.assert_close(best.sequences_scores[0], totals.max() / 2)  # length_penalty is 1


@writers
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_batch_writes_what_each_text_does_alone(case: Case, side):
    model, batch = case.model(), sources(case, side=side)
    together = write(model, **batch, num_beams=2)
    for row in range(len(LENGTHS)):
        alone = batch["input_ids"][row, batch["attention_mask"][row].bool()].unsqueeze(0)
        assert torch.equal(write(model, input_ids=alone, num_beams=2)[0], together[row])


@writers
def test_padding_is_never_looked_at(case: Case):
    """Not even where only its id tells."""
    model, batch = case.model(), sources(case)
    options = {"max_new_tokens": 4, "eos_token_id": -1, "output_attentions": True, "return_dict_in_generate": True}
    expected = model.generate(**batch, **options)
    written = model.generate(batch["input_ids"], **options)
    assert torch.equal(written.sequences, expected.sequences)
    for (step,) in written.cross_attentions:
        assert not step[:, 0].transpose(1, 2)[~batch["attention_mask"].bool()].any()


@writers
def test_going_on_from_a_cache_is_reading_again(case: Case):
    model, batch = case.model(), case.batch((6, 6, 4), side="left")
    ids, mask = batch["decoder_input_ids"], batch["decoder_attention_mask"]
    batch = sources(case, (6, 6, 4), side="left")

    def read(start: int, end: int, past=None):
        target = {"decoder_input_ids": ids[:, start:end], "decoder_attention_mask": mask[:, start:end]}
        with torch.no_grad():
            return model(**batch, **target, past_key_values=past, use_cache=True)

    whole = read(0, 6)
    rest = read(4, 6, read(0, 4).past_key_values)
    torch.testing.assert_close(rest.logits, whole.logits[:, 4:])
    for one, two in zip(rest.past_key_values.layers, whole.past_key_values.layers, strict=True):
        torch.testing.assert_close(one.keys, two.keys)
        torch.testing.assert_close(one.values, two.values)
    assert rest.past_key_values.get_seq_length() == 6


@writers
def test_the_loss_is_that_of_the_next_word(case: Case):
    model, batch = case.model(), sources(case)
    labels = torch.tensor([[4, 5, 2], [6, 2, -100], [7, 8, 9]])
    read = torch.tensor([[1, 4, 5], [1, 6, 0], [1, 7, 8]])
    logits = model(**batch, decoder_input_ids=read).logits
    answer = model(**batch, labels=labels)
    torch.testing.assert_close(answer.loss, cross_entropy(logits.flatten(0, 1), labels.flatten()))
    with pytest.raises(ValueError, match="labels"):
        model(**batch)


@writers
def test_alignments_are_weights_over_the_source(case: Case):
    model, batch = case.model(), case.batch()
    with torch.no_grad():
        (weights,) = model(**batch, output_attentions=True).cross_attentions
    length = batch["input_ids"].shape[1]
    assert weights.shape == (len(batch["input_ids"]), 1, length, length)
    padding = ~batch["attention_mask"].bool()
    assert not weights[:, 0].transpose(1, 2)[padding].any()
    if case.config().attention_span == "global":
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    written = model.generate(
        **sources(case), max_new_tokens=3, eos_token_id=-1, output_attentions=True, return_dict_in_generate=True
    )
    assert len(written.cross_attentions) == 3 and written.cross_attentions[0][0].shape == (3, 1, 1, max(LENGTHS))


@writers
@pytest.mark.slow
def test_learns_to_reverse(case: Case):
    """Texts of two to five words are written backwards, also those that were never seen."""
    torch.manual_seed(0)
    sizes = {"embedding_size": 32, "hidden_size": 64, "attention_size": 32, "encoder_cell_size": 96}
    wider = {"attention_window": 4, "encoder_layers": 1, "decoder_layers": 1, "initializer_range": 0.5}
    model = case.model_class(case.config(**sizes, **wider, eos_token_id=2)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)

    def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = torch.randint(2, 6, (size, 1))
        ids = torch.randint(3, 12, (size, 6)).where(torch.arange(6) < lengths, 0)
        turned = ids.gather(1, (lengths - 1 - torch.arange(6)).clamp(min=0)).where(torch.arange(6) < lengths, -100)
        return ids, turned.where(torch.arange(6) != lengths, 2)

    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = 0.02 * (1 - step / 200)
        ids, labels = batch(64)
        optimizer.zero_grad()
        model(ids, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    ids, labels = batch(200)
    written = model.eval().generate(ids, max_new_tokens=6)[:, 1:]
    right = (written == labels[:, : written.shape[1]].where(labels[:, : written.shape[1]] != -100, 0)).all(1)
    assert right.float().mean() > 0.95


def test_transformers_own_collator_feeds_it():
    tokenizer = build_tokenizer(["a b c d"], min_count=1, special_tokens=["<s>", "</s>"])
    model = FIRST.model(bos_token_id=2, eos_token_id=3, decoder_start_token_id=2)
    rows = [tokenizer("a b c", text_target="c b"), tokenizer("d", text_target="a b c d")]
    batch = DataCollatorForSeq2Seq(tokenizer, model=model)(rows)
    torch.testing.assert_close(model(**batch).loss, model(batch["input_ids"], labels=batch["labels"]).loss)
