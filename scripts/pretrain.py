"""`pretrain` as a script, for `accelerate launch scripts/pretrain.py …`: the same options as `wordemb-hf pretrain`."""

import sys

from wordemb_hf.cli import main

main(["pretrain", *sys.argv[1:]])
