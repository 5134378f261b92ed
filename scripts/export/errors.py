"""Errors in words for the model's owner: one line, the cause first, never a traceback."""

import os
import re
import sys
import traceback

#: A cause is a sentence or two; libraries append advice about build options and phones.
MAXIMUM_CHARACTERS = 300

#: What libtorch says at length, and what it means.
MEANINGS = [
    (r"Could not run '(\S+)' with arguments from the '(CUDA|MPS|XPU|Meta)' backend", r"\1 needs the \2 device; make the model and its "
     "tensors on the CPU: module.cpu(), torch.device('cpu')"),
    (r"Torch not compiled with CUDA enabled|Found no NVIDIA driver.*", "this machine's torch has no GPU; make the model and its tensors on the "
     "CPU: module.cpu(), torch.load(…, map_location='cpu')"),
    (r"Attempting to deserialize object on a CUDA device.*", "the weights were saved on a GPU; load them with torch.load(…, map_location='cpu')"),
    (r"PytorchStreamReader failed reading zip archive.*", "the file is no archive that torch saved"),
]


class Unfit(Exception):
    """Why a model is not exported, in words for its owner."""


def reason(error):
    """An exception as one line: the last one that says something (libtorch puts its own traceback before it)."""
    text = str(error)
    for pattern, meaning in MEANINGS:
        if found := re.search(pattern, text):
            return found.expand(meaning)
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    marked = [line for line in lines if line.startswith(("RuntimeError: ", "torch.jit.Error: "))]
    line = (marked or lines or [""])[-1 if marked else 0]
    return shortened(line if marked else f"{type(error).__name__}: {line}" if line else type(error).__name__)


def shortened(line):
    if len(line) <= MAXIMUM_CHARACTERS:
        return line
    sentence = line[:MAXIMUM_CHARACTERS].rfind(". ")
    return line[:sentence] if sentence > 40 else f"{line[:MAXIMUM_CHARACTERS]}…"


def is_own(path):
    """A file of the model's owner: not ours, not the interpreter's, not a library's wherever it is installed."""
    here = os.path.dirname(os.path.realpath(__file__))
    real = os.path.realpath(path)
    if any(f"{os.sep}{folder}{os.sep}" in real for folder in ("site-packages", "dist-packages")):
        return False
    return os.path.isfile(path) and not real.startswith((here, os.path.realpath(sys.prefix), sys.prefix, sys.base_prefix))


def own_place(error):
    """Where in somebody's own file an exception came from; "" where it did not."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_own(frame.filename):
            return f" ({frame.filename}:{frame.lineno})"
    # The compiler of sources writes the place into its message.
    for file, line in re.findall(r'File "([^"]+)", line (\d+)', str(error)):
        if is_own(file):
            return f" ({file}:{line})"
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    return ""


def called_in_python(error):
    """The function of Python that libtorch cannot save, and where it is called; None where that is not why."""
    text = str(error)
    found = re.search(r"Could not export Python function call '([^']+)'", text)
    if not found:
        return None
    # The way to it from the inside out, torch's own lines first: of a trace in one form, of compiled source in another.
    places = re.findall(r'^(?:  File ")?(.+?)(?:\(|", line )(\d+)', text, re.MULTILINE)
    return found[1] + next((f" ({shown_path(file)}:{line})" for file, line in places if not shown_path(file).startswith("torch/")), "")


def shown_path(path):
    """A library's file without the folder that libraries lie in."""
    return path.rsplit("/site-packages/", 1)[-1]


def progress(text):
    """What takes long, for who sits before a terminal; nothing in logs and pipes."""
    if sys.stderr.isatty():
        say(f"{text} ...")


def say(text):
    print(f"export-model: {text}", file=sys.stderr)
