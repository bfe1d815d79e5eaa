"""Output folders appear whole or not at all."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from wordemb_hf.errors import UserError
from wordemb_hf.folders import check_output, check_output_file, new_folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def old(tmp_path):
    """A model folder of an earlier run, alone in its parent."""
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "config.json").write_text("old")
    (folder / "inner" / "weights").write_text("old")
    return folder


def test_a_new_folder_appears_with_its_parents(tmp_path):
    output = tmp_path / "a" / "b"
    with new_folder(output) as folder:
        (folder / "config.json").write_text("new")
        assert not output.exists()
    assert contents(output) == {"config.json": "new"}
    assert [path.name for path in output.parent.iterdir()] == ["b"]


def test_an_old_folder_is_replaced_whole(old):
    with new_folder(old) as folder:
        (folder / "config.json").write_text("new")
        assert contents(old) == {"config.json": "old", "inner/weights": "old"}
    assert contents(old) == {"config.json": "new"}
    assert list(old.parent.iterdir()) == [old]


def test_an_error_leaves_the_old_folder_and_nothing_else(old):
    with pytest.raises(ZeroDivisionError), new_folder(old) as folder:
        (folder / "config.json").write_text("new")
        raise ZeroDivisionError
    assert contents(old) == {"config.json": "old", "inner/weights": "old"}
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
@pytest.mark.parametrize("before", ["nothing", "a model"])
def test_a_killed_process_leaves_no_half_written_folder(old, before):
    output = old if before == "a model" else old.with_name("other")
    program = (
        "import sys, time\n"
        "from wordemb_hf.folders import new_folder\n"
        "with new_folder(sys.argv[1]) as folder:\n"
        "    (folder / 'config.json').write_text('half')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(output)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "writing\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert contents(old) == {"config.json": "old", "inner/weights": "old"}
    assert all(path == old or path.name.startswith(".") for path in old.parent.iterdir())
    with new_folder(output) as folder:  # and does not stand in the way of the next run
        (folder / "config.json").write_text("new")
    assert contents(output) == {"config.json": "new"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_files_can_be_read_by_whoever_the_umask_allows(tmp_path):
    before = os.umask(0o022)
    try:
        with new_folder(tmp_path / "model") as folder:
            (folder / "weights").touch(0o600)  # as safetensors makes them
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "model", tmp_path / "model" / "weights")]
    assert modes == [0o755, 0o644]


def test_which_output_folders_are_refused(old, tmp_path):
    check_output(tmp_path / "new" / "er", overwrite=False)
    (tmp_path / "empty").mkdir()
    check_output(tmp_path / "empty", overwrite=False)
    check_output(old, overwrite=True)
    with pytest.raises(UserError, match=r"model is not empty: give another one, or --overwrite to replace it"):
        check_output(old, overwrite=False)
    with pytest.raises(UserError, match=r"config\.json is a file: give a folder"):
        check_output(old / "config.json", overwrite=True)
    with pytest.raises(UserError, match=r"weights/x/y lies in .*weights, which is a file"):
        check_output(old / "inner" / "weights" / "x" / "y", overwrite=False)


def test_only_a_model_is_ever_replaced(old):
    with pytest.raises(UserError, match=r"holds no model, so --overwrite does not replace it"):
        check_output(old.parent, overwrite=True)
    assert contents(old) == {"config.json": "old", "inner/weights": "old"}


def test_which_output_files_are_refused(old):
    check_output_file(None)
    check_output_file(old / "config.json")
    check_output_file("answers.jsonl")
    with pytest.raises(UserError, match=r"model is a folder: give a file"):
        check_output_file(old)
    with pytest.raises(UserError, match=r"there is no folder .*missing"):
        check_output_file(old / "missing" / "x")
