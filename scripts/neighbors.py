"""`neighbors` as a script, for `accelerate launch scripts/neighbors.py …`: the options of `wordemb-hf neighbors`."""

import sys

from wordemb_hf.cli import main

main(["neighbors", *sys.argv[1:]])
