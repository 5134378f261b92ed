"""The Python that makes the zoo's networks: .build-zoo/venv, with torch from .venv and the packages of requirements.txt besides.

It is no part of `make setup`: only the zoo needs it. A stamp tells what is installed.
"""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
FOLDER = ROOT / ".build-zoo"
VENV = FOLDER / "venv"
PYTHON = VENV / "bin" / "python"
#: The one that goes with the torch of scripts/lib/torch.sh.
TORCHVISION = "0.28.0"
INDEX = os.environ.get("AMP4EC_TORCH_INDEX", "https://download.pytorch.org/whl/cpu")
#: An index that cannot be reached is given up soon: there is another way.
QUICKLY = ["--retries", "0", "--timeout", "10"]


class NoEnvironment(Exception):
    """Why there is none, in words for people."""


def say(text):
    print(f"zoo: {text}", file=sys.stderr, flush=True)


def _library_folder(python):
    command = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return pathlib.Path(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


def _pip(*arguments):
    # Byte code is made of what is imported, when it is: transformers alone has thousands of files that nothing here needs.
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", *arguments]
    return subprocess.run(command, stdout=sys.stderr, check=False).returncode == 0


def ready():
    """The interpreter, made first where it is missing or made from other requirements."""
    if subprocess.run([ROOT / "scripts" / "python-env"], stdout=sys.stderr, check=False).returncode != 0:
        raise NoEnvironment("scripts/python-env did not bring torch; what went wrong stands above")
    base = ROOT / ".venv"
    wanted = f"{(base / 'stamp').read_text()}{base.resolve()} torchvision {TORCHVISION}\n{(HERE / 'requirements.txt').read_text()}"
    stamp = VENV / "stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return PYTHON
    say("making .build-zoo/venv (torchvision, timm, transformers: about 200 MB)")
    subprocess.run([base / "bin" / "python", "-m", "venv", "--clear", VENV], check=True, stdout=sys.stderr)
    # Torch itself, of 700 MB, is not installed a second time.
    (_library_folder(PYTHON) / "torch-of-the-repository.pth").write_text(f"{_library_folder(base / 'bin' / 'python')}\n")
    # PyPI's is made for CUDA: without its dependencies, and without its compiled part (torchvision_here.py), it serves as well.
    if not _pip("--no-deps", *QUICKLY, "--index-url", INDEX, f"torchvision=={TORCHVISION}+cpu"):
        say(f"{INDEX} has no torchvision=={TORCHVISION}+cpu; taking PyPI's")
        if not _pip("--no-deps", f"torchvision=={TORCHVISION}"):
            raise NoEnvironment("pip cannot install torchvision; what it said stands above, check the network")
    if not _pip("-r", str(HERE / "requirements.txt")):
        raise NoEnvironment("pip cannot install requirements.txt; what it said stands above, check the network")
    stamp.write_text(wanted)
    return PYTHON


def versions():
    """What the table was made with."""
    code = (
        "import importlib.metadata as m, json, platform, torch\n"
        "found = {n: m.version(n) for n in ('torchvision', 'timm', 'transformers', 'numpy')}\n"
        "print(json.dumps({'python': platform.python_version(), 'torch': torch.__version__, **found}))")
    import json
    return json.loads(subprocess.run([PYTHON, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout)
