"""`finetune` as a script, for `accelerate launch scripts/finetune.py …`: the same options as `wordemb-hf finetune`."""

import sys

from wordemb_hf.cli import main

main(["finetune", *sys.argv[1:]])
