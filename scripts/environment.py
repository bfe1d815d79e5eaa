"""The environment of quickstart.py and test.py: .venv at the root, made by any Python >= 3.11 alone.

This file and its two callers must be readable by older Pythons as well, so that these can say what is missing.
"""

import hashlib
import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOG = VENV / "install.log"
STAMP = VENV / "installed.txt"  # written last, so that an interrupted installation is repeated

# Measured on Linux with the CPU build of torch.
DOWNLOAD_MB = 400
DISK_GB = 1.5

SENTENCES = {
    "en": {
        "old": "Python 3.11 or newer is needed; this is Python {version}.",
        "old venv": ".venv holds Python {version}, and 3.11 or newer is needed; delete .venv and start again.",
        "no venv": "This Python cannot make virtual environments: its module {module} is missing "
        "(on Debian and Ubuntu: apt install python3-venv).",
        "no creation": "The virtual environment {venv} could not be made ({reason}).",
        "first": "Installing into {venv}: about {download} MB to download, {disk} GB on disk. "
        "Later starts need none of it.",
        "cuda": "On Linux, pip's default torch is the build for CUDA, several GB more. pip's own settings (pip.conf, "
        "PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS) hold here too: where they name an index or mirror with "
        "CPU wheels, you get those.",
        "again": "What the project needs has changed: bringing {venv} up to date.",
        "start": "looking for packages",
        "download": "downloading {package} ({size})",
        "install": "unpacking",
        "done": "Installed in {seconds} s.",
        "failed": "pip could not install the packages ({reason}); its whole output is in {log}.",
        "interrupted": "Interrupted; the next start installs what is missing.",
    },
    "zh": {
        "old": "需要 Python 3.11 或更高版本；现在运行的是 Python {version}。",
        "old venv": ".venv 里是 Python {version}，而需要 3.11 或更高版本；请删除 .venv 后重试。",
        "no venv": "这个 Python 不能创建虚拟环境：缺少模块 {module}（Debian、Ubuntu：apt install python3-venv）。",
        "no creation": "无法创建虚拟环境 {venv}（{reason}）。",
        "first": "正在安装到 {venv}：约需下载 {download} MB，占用磁盘 {disk} GB。以后启动不再需要。",
        "cuda": "在 Linux 上，pip 默认的 torch 是 CUDA 版，要多下载几个 GB。pip 自己的设置（pip.conf、PIP_INDEX_URL、"
        "PIP_EXTRA_INDEX_URL、PIP_FIND_LINKS）在这里同样有效：如果其中的索引或镜像提供 CPU 版，就会使用 CPU 版。",
        "again": "项目的依赖有变化：正在更新 {venv}。",
        "start": "正在查找软件包",
        "download": "正在下载 {package}（{size}）",
        "install": "正在解压安装",
        "done": "安装完成，用时 {seconds} 秒。",
        "failed": "pip 未能完成安装（{reason}）；全部输出见 {log}。",
        "interrupted": "已中断；下次启动会补装缺少的部分。",
    },
}


def ensure(extras: str, language: str) -> Path:
    """Make or update .venv so that it holds the project with `extras`, and return the path of its Python.

    Args:
        extras: of setup.py, as `dev` or `fast,zh`, or "" for none. What an earlier call installed stays.
        language: `en` or `zh`, for what is printed.
    """
    say = SENTENCES[language]
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is also for those who do not have it yet
        raise SystemExit(say["old"].format(version=".".join(map(str, sys.version_info[:3]))))
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a character is no reason to stop

    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    version = _version(python)
    if version and tuple(map(int, version.split(".")[:2])) < (3, 11):
        raise SystemExit(say["old venv"].format(version=version))
    installed = STAMP.read_text(encoding="utf-8").split() if version and STAMP.exists() else []
    if installed and installed[0] == _fingerprint(version) and extras in ["", *installed[1:]]:
        return python

    if installed:
        print(say["again"].format(venv=VENV), flush=True)
    else:
        print(say["first"].format(venv=VENV, download=DOWNLOAD_MB, disk=DISK_GB), flush=True)
        if sys.platform.startswith("linux"):
            print(say["cuda"], flush=True)
    if not version:
        _create(say)
        version = _version(python)
    started = time.monotonic()
    wanted = sorted({extras, *installed[1:]} - {""})
    STAMP.unlink(missing_ok=True)
    _install(python, wanted, say)
    STAMP.write_text("\n".join([_fingerprint(version), *wanted]), encoding="utf-8")
    print(say["done"].format(seconds=round(time.monotonic() - started)), flush=True)
    return python


def _version(python: Path) -> str:
    """The version of this Python, "" where it does not run."""
    code = "import platform; print(platform.python_version())"
    try:
        return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _fingerprint(version: str) -> str:
    """Changes with whatever makes an installation out of date; the editable install knows the folder by its path."""
    files = [(ROOT / name).read_bytes() for name in ("setup.py", "constraints.txt")]
    return hashlib.sha256(b"\0".join([*files, version.encode(), os.fsencode(ROOT)])).hexdigest()


def _create(say: dict) -> None:
    """Make .venv without pip, which `_install` adds: so an interruption between the two is mended as well."""
    for module in ("venv", "ensurepip"):  # Debian ships Python without one of them
        if find_spec(module) is None:
            raise SystemExit(say["no venv"].format(module=module))
    command = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if made.returncode:
        raise SystemExit(say["no creation"].format(venv=VENV, reason=_reason(made.stdout)))


def _install(python: Path, extras: list, say: dict) -> None:
    """Run pip, its output in a file, with one short line on the screen that says what it does."""
    project = ".[{}]".format(",".join(extras)) if extras else "."
    pip = ["pip", "install", "--progress-bar", "off", "--constraint", "constraints.txt", "--editable", project]
    if not sys.dont_write_bytecode:
        pip.append("--no-compile")  # a minute saved: Python compiles what it imports, and most of this never is
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONIOENCODING": "utf-8"}
    for command in (["ensurepip"], pip):
        with LOG.open("wb") as log:
            process = subprocess.Popen(
                [str(python), "-m", *command], stdout=log, stderr=subprocess.STDOUT, cwd=str(ROOT), env=environment
            )
            try:
                _watch(process, say)
            except KeyboardInterrupt:
                process.wait()  # pip was interrupted as well, and tidies up
                raise SystemExit("\n" + say["interrupted"]) from None
        if process.returncode:
            raise SystemExit(say["failed"].format(log=LOG, reason=_reason(_log())))


def _watch(process: subprocess.Popen, say: dict) -> None:
    """Show what pip is at until it ends: one line that changes on a terminal, a line now and then in a file."""
    terminal = sys.stdout.isatty()
    started = time.monotonic()
    while True:
        try:
            process.wait(0.5 if terminal else 20)
            break
        except subprocess.TimeoutExpired:
            seconds = int(time.monotonic() - started)
            line = "  {}:{:02}  {}".format(*divmod(seconds, 60), _stage(_log(), say))
            print("\r" + line.ljust(78) if terminal else line, end="" if terminal else "\n", flush=True)
    if terminal:
        print("\r" + " " * 78, end="\r", flush=True)


def _stage(log: str, say: dict) -> str:
    """What pip's output so far says that it is doing."""
    if "\nInstalling collected packages" in log:
        return say["install"]
    files = re.findall(r"Downloading (?:\S*/)?([^\s/-]+)-\S+\.(?:whl|tar\.gz) \((.+?)\)", log)
    return say["download"].format(package=files[-1][0], size=files[-1][1]) if files else say["start"]


def _log() -> str:
    return LOG.read_text(encoding="utf-8", errors="replace")


def _reason(output: str) -> str:
    """The line of `output` that says most: its first error, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.split("ERROR: ", 1)[1] for line in lines if line.startswith("ERROR: ")]
    return (errors or lines[-1:] or ["?"])[0]
