"""`wordemb-hf tokenizer` as a script, for `accelerate launch scripts/tokenizer.py …`."""

import sys
from pathlib import Path

# This folder stands first on the path, where its evaluate.py would pass for the evaluate library.
sys.path = [path for path in sys.path if path != str(Path(__file__).parent)]

from wordemb_hf.cli import main  # noqa: E402

main(["tokenizer", *sys.argv[1:]])
