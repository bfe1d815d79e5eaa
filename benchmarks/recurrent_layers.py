"""Recurrent stacks that know of padding, against PyTorch's bare layers that do not: forward and backward, 64 x 128.

    python benchmarks/recurrent_layers.py [--threads 2]

The bare layer is given full rows; ours the same rows with a mask of ones, and rows of 100 to 128 tokens. For
comparison: the bare layer on packed sequences, the usual way to read ragged rows.
"""

import argparse

import torch
from measuring import compare, report
from torch import nn
from wordemb_hf.modeling.recurrent import RecurrentStack

BATCH, LENGTH, WIDTH = 64, 128, 128


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    states = torch.randn(BATCH, LENGTH, WIDTH, requires_grad=True)
    full = torch.ones(BATCH, LENGTH, dtype=torch.bool)
    lengths = torch.randint(100, LENGTH + 1, (BATCH,))
    ragged = torch.arange(LENGTH) < lengths.unsqueeze(1)
    for cell_type, cell in (("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)):
        for directions, layers in ((1, 1), (1, 2), (2, 1), (2, 2)):
            bare = cell(WIDTH, WIDTH, layers, batch_first=True, bidirectional=directions == 2)
            ours = RecurrentStack(cell_type, WIDTH, WIDTH, layers, bidirectional=directions == 2)

            def packed(bare=bare):
                rows = nn.utils.rnn.pack_padded_sequence(states, lengths, batch_first=True, enforce_sorted=False)
                out, _ = nn.utils.rnn.pad_packed_sequence(bare(rows)[0], batch_first=True, total_length=LENGTH)
                out.sum().backward()

            measured = compare(
                {
                    f"torch.nn.{cell.__name__}": lambda bare=bare: bare(states)[0].sum().backward(),
                    "ours, full rows": lambda ours=ours: ours(states, full)[-1].sum().backward(),
                    "ours, ragged rows": lambda ours=ours: ours(states, ragged)[-1].sum().backward(),
                    f"torch.nn.{cell.__name__}, packed": packed,
                },
                arguments.repeats,
            )
            report(f"{cell_type}, {directions} direction(s), {layers} layer(s)", measured)


if __name__ == "__main__":
    main()
