"""The table of spellings: what it answers, and what becomes of it when a model is saved, loaded and resized."""

import pytest
import torch
from transformers import PreTrainedConfig, PreTrainedModel
from wordemb_hf.modeling.spelling import SpellingTable

SPELLINGS = torch.arange(1, 13).view(4, 3) * 20


@pytest.fixture
def table() -> SpellingTable:
    table = SpellingTable(4, 3)
    table.set_spellings(SPELLINGS)
    return table


def test_words_are_looked_up(table):
    words = torch.tensor([[3, 0], [1, 1]])
    assert table(words).dtype == torch.int64 and torch.equal(table(words), SPELLINGS[words])
    assert table(torch.zeros(2, 0)).shape == (2, 0, 3)  # floats, as a tokenizer makes of empty texts
    assert not SpellingTable(4, 3)(torch.tensor([[1, 2]])).any()


def test_what_is_given_wins(table):
    given = torch.full((1, 2, 5), 7, dtype=torch.int16)
    answer = table(torch.tensor([[3, 0]]), given)
    assert answer.dtype == torch.int64 and torch.equal(answer, given.long())


def test_only_the_right_shape_is_taken(table):
    for shape in ((3, 4), (4, 2), (4, 3, 1)):
        with pytest.raises(
            ValueError, match=r"spellings has shape .* must have \(vocab_size, max_characters\), \(4, 3\)"
        ):
            table.set_spellings(torch.zeros(shape))
    assert torch.equal(table.spellings, SPELLINGS.short())


def test_new_words_have_no_spelling_and_old_ones_keep_theirs(table):
    table.resize(6)
    assert table.spellings.dtype == torch.int16 and list(table.state_dict()) == ["spellings"]
    assert torch.equal(table(torch.arange(6)), torch.cat([SPELLINGS, torch.zeros(2, 3, dtype=torch.long)]))
    table.resize(2)
    assert torch.equal(table(torch.arange(2)), SPELLINGS[:2])


class SpellerConfig(PreTrainedConfig):
    model_type = "wordemb_test_speller"


class Speller(PreTrainedModel):
    config_class = SpellerConfig

    def __init__(self, config, words: int = 4, with_table: bool = True):
        super().__init__(config)
        self.scale = torch.nn.Linear(1, 1)
        if with_table:
            self.table = SpellingTable(words, 3)
        self.post_init()

    def _init_weights(self, module):
        if isinstance(module, SpellingTable):
            module.reset()
        else:
            super()._init_weights(module)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "auto"])
def test_it_is_saved_with_the_weights_and_is_never_rounded(tmp_path, dtype):
    model = Speller(SpellerConfig())
    model.table.set_spellings(SPELLINGS + 21)  # 261, the highest, would be 260 in bfloat16
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    loaded = Speller.from_pretrained(tmp_path, dtype=dtype)
    assert loaded.table.spellings.dtype == torch.int16
    assert torch.equal(loaded.table.spellings, (SPELLINGS + 21).short())


def test_a_missing_table_is_empty_after_loading(tmp_path):
    Speller(SpellerConfig(), with_table=False).save_pretrained(tmp_path)
    loaded, report = Speller.from_pretrained(tmp_path, words=1000, output_loading_info=True)
    assert set(report["missing_keys"]) == {"table.spellings"}
    assert loaded.table.spellings.shape == (1000, 3) and not loaded.table.spellings.any()
