"""`evaluate` as a script, for `accelerate launch scripts/evaluate.py …`: the same options as `wordemb-hf evaluate`."""

import sys

from wordemb_hf.cli import main

main(["evaluate", *sys.argv[1:]])
