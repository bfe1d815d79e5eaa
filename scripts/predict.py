"""`predict` as a script, for `accelerate launch scripts/predict.py …`: the same options as `wordemb-hf predict`."""

import sys

from wordemb_hf.cli import main

main(["predict", *sys.argv[1:]])
