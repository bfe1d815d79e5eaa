"""The example of a numeric series: what it prints is true, and the recurrent model is the best of the three."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "time_series.py"


@pytest.mark.slow
def test_the_recurrent_model_forecasts_best():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, encoding="utf-8", check=True)
    errors = {name.strip(): float(value) for name, value in re.findall(r"^  (.{18}) ([\d.]+)$", done.stdout, re.M)}
    assert len(errors) == 3
    assert errors["GRU"] < errors["linear regression"] < errors["as a week ago"]
