"""Check everything: `python scripts/test.py [--fast] [arguments of pytest]`.

Any Python >= 3.11 will do; what the checks need is installed into .venv at the root. The steps are style, format, types
and tests; the first that fails ends the run with its exit status. `--fast` leaves out the slow tests.
"""

import os
import subprocess
import sys
import tempfile

from environment import ROOT, ensure


def main(arguments: list) -> None:
    """Run all steps in order; leave with the status of the first that fails."""
    language = "zh" if os.environ.get("WORDEMB_HF_LANGUAGE", "").lower().startswith("zh") else "en"
    python = str(ensure("dev", language))

    step("style", [python, "-m", "ruff", "check", "--quiet"])
    step("format", [python, "-m", "ruff", "format", "--check", "--quiet"])
    # mypy cannot follow setup.py's map from modeling/ to wordemb_hf.modeling, so it reads the built package, in a
    # folder of its own, where nothing imports it by mistake.
    with tempfile.TemporaryDirectory() as built:
        step("build", [python, "setup.py", "--quiet", "build_py", "--build-lib", built])
        settings = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
        step("types", [python, "-m", "mypy", *settings, "wordemb_hf"], folder=built)

    # One thread for each worker: torch's own threads would fight for the same cores.
    environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    choice = ["-m", "not slow"] if "--fast" in arguments else []
    rest = [argument for argument in arguments if argument != "--fast"]
    step(
        "tests", [python, "-m", "pytest", "--quiet", "-n", "auto", "--maxprocesses", "2", *choice, *rest], **environment
    )


def step(name: str, command: list, folder: str = str(ROOT), **environment: str) -> None:
    """Run one command in `folder`, and end this program with its status if it fails."""
    print(f"== {name}", flush=True)
    status = subprocess.run(command, cwd=folder, env={**os.environ, **environment}).returncode
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
