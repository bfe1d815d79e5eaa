"""`wordemb-hf compare` as a script, for `accelerate launch scripts/compare.py …`."""

import sys
from pathlib import Path

# This folder stands first on the path, where its evaluate.py would pass for the evaluate library.
sys.path = [path for path in sys.path if path != str(Path(__file__).parent)]

from wordemb_hf.cli import main  # noqa: E402

main(["compare", *sys.argv[1:]])
