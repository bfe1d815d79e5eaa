"""From nothing to a trained classifier: `python3 scripts/quickstart.py [en|zh]`.

Any Python >= 3.11 will do. What is needed is installed into .venv at the root; then scripts/tour.py runs the package's
own verbs, in English or Chinese.
"""

import os
import subprocess
import sys
from pathlib import Path

from environment import ROOT, ensure


def main(arguments: list) -> int:
    """Install, then run the tour in the language that is asked for; returns the tour's exit status."""
    language = arguments[0] if arguments else "en"
    if language not in ("en", "zh") or len(arguments) > 1:
        print("usage: python3 scripts/quickstart.py [en|zh]", file=sys.stderr)
        return 2
    # Pictures with Chinese words need a font, which a bare Linux lacks.
    python = ensure("fast,zh" if language == "zh" else "fast", language)
    environment = {**os.environ, "WORDEMB_HF_LANGUAGE": language, "PYTHONUTF8": "1"}
    return subprocess.run(
        [str(python), str(Path(__file__).with_name("tour.py"))], cwd=str(ROOT), env=environment
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
