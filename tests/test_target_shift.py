"""What a decoder reads in training, by hand."""

import torch
from wordemb_hf.modeling.target_shift import read_before, tokens_of

LABELS = torch.tensor([[5, 6, 3], [7, 3, -100], [-100, -100, -100], [-100, 8, 3], [5, -100, 3]])


def test_a_target_is_read_one_place_to_the_right_wherever_padding_is():
    assert read_before(LABELS, 0, 2).tolist() == [[2, 5, 6], [2, 7, 3], [2, 2, 2], [2, 2, 8], [2, 5, 0]]
    assert read_before(LABELS[1:2], None, 2).tolist() == [[2, 7, 3]]


def test_a_gap_in_what_is_learnt_is_still_a_token():
    assert tokens_of(LABELS).int().tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 1, 1]]
