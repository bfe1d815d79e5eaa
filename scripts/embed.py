"""`embed` as a script, for `accelerate launch scripts/embed.py …`: the same options as `wordemb-hf embed`."""

import sys

from wordemb_hf.cli import main

main(["embed", *sys.argv[1:]])
