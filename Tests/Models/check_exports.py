"""Runs the exporter on each function of exports.py and judges what it says; see scripts/test-exports."""
import contextlib
import io
import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "scripts/export"), str(HERE)]
import main as exporter  # noqa: E402

# What is exported, with which options, whether a file comes of it, and what must be said.
CASES = [
    ("nothing to say", "plain", [], True, []),
    ("a branch: compiled instead", "branch", [], True, ["Python boolean", "a branch", "--script"]),
    ("a branch, and a trace is asked for", "branch", ["--trace"], False, ["a branch", "use --script"]),
    ("a branch in source that cannot be compiled", "closed_branch", [], False, ["a branch", "compiled"]),
    ("a branch that only large values take", "threshold", ["--trace"], False, ["× 100", "--script"]),
    ("NaN in both", "not_a_number", [], True, []),
    ("float64 in", "double", [], False, ["x is declared float64; AMP4EC carries float32"]),
    ("float64 out", "double_output", [], False, ["y is float64; AMP4EC carries float32"]),
    ("a dictionary", "dictionary", [], False, ["returns a dict"]),
    ("None among the outputs", "nothing", [], False, ["returns None"]),
    ("dropout in training mode", "dropout", [], False, ["eval()"]),
    ("dropout that two runs do not show", "small_dropout", [], False, ["aten::dropout", "eval()"]),
    ("batch-norm in training mode", "batch_norm", [], False, ["aten::batch_norm", "eval()"]),
    ("modules in training mode", "module_dropout", [], True, ["training mode", "eval()"]),
    ("a module that does not run", "raises", [], False, ["missing", "exports.py:"]),
    ("no manifest", "no_manifest", [], False, ["manifest must be a dict"]),
    ("an unknown word", "bad_word", [], False, ['"batch" in the manifest']),
    ("a function that fails", "fails", [], False, ["weights.bin", "exports.py:"]),
    ("no such function", "absent", [], False, ["absent"]),
]


def export(function, options, output):
    """The exporter's exit code and all that it says."""
    said = io.StringIO()
    sys.argv = ["export-model", "--cache", str(output.parent), "--function", f"exports:{function}", *options, str(output)]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            exporter.main()
            code = 0
        except SystemExit as end:
            code = end.code
            if isinstance(code, str):
                print(code)
                code = 1
    return code or 0, said.getvalue()


def problems(function, options, is_exported, mentions):
    with tempfile.TemporaryDirectory(prefix="amp4ec-exports-") as folder:
        output = pathlib.Path(folder) / "out.pt"
        code, text = export(function, options, output)
        if (code == 0) != is_exported:
            yield f"exit code {code}: {text}"
        if output.exists() != is_exported:
            yield "there is a file" if output.exists() else "there is no file"
        if "Traceback" in text:
            yield f"a traceback: {text}"
        for mention in mentions:
            if mention not in text:
                yield f"{mention!r} is not in: {text}"


os.chdir(HERE)
failed = 0
for what, function, options, is_exported, mentions in CASES:
    found = list(problems(function, options, is_exported, mentions))
    failed += bool(found)
    print("FAIL" if found else "ok  ", what, *found, sep="  ", flush=True)
print(f"exports: {len(CASES) - failed} passed, {failed} failed")
sys.exit(1 if failed or not CASES else 0)
