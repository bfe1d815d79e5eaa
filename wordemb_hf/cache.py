"""Where things are kept that would take time to make again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`WORDEMB_HF_CACHE`, else the folder `wordemb_hf` in the user's cache; it need not exist yet."""
    given = os.environ.get("WORDEMB_HF_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wordemb_hf"
