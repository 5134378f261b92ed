"""Runs the exporter on each function of exports.py and judges what it says; see scripts/test-exports."""
import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
from typing import Any

import numpy
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "scripts/export"), str(HERE)]
import main as exporter  # noqa: E402

# What is exported, with which options, whether a file comes of it (or the names of its outputs), and what must be said.
CASES = [
    ("nothing to say", "plain", [], True, []),
    ("a branch: compiled instead", "branch", [], True, ["Python boolean", "a branch", "--script"]),
    ("a branch, and a trace is asked for", "branch", ["--trace"], False, ["a branch", "use --script"]),
    ("a branch in source that cannot be compiled", "closed_branch", [], False, ["a branch", "compiled"]),
    ("a branch that only large values take", "threshold", ["--trace"], False, ["× 100", "--script"]),
    ("NaN in both", "not_a_number", [], True, []),
    ("float64 in", "double", [], False, ["x is declared float64; AMP4EC carries float32"]),
    ("float64 out", "double_output", [], False, ["y is float64; AMP4EC carries float32"]),
    ("complex numbers", "complex_output", [], False, ["is complex64; AMP4EC carries float32"]),
    ("a sparse output", "sparse_output", [], False, ["is sparse_coo", "to_dense()"]),
    ("a dictionary", "dictionary", [], ["y"], ["calls its outputs out"]),
    ("keys in another order", "keys_in_another_order", [], ["out", "aux"], []),
    ("keys that are half right", "keys_half_right", [], False, ["calls them out, aux", '"more" is none of these']),
    ("a tree of outputs", "nested", [], ["the_scores", "state.0", "state.1", "maps.0", "maps.1"], ["returns None for none; left out"]),
    ("the same key twice", "equal_keys", [], ["0.out", "1.out"], []),
    ("a named tuple with None", "named_tuple", [], ["logits"], ["returns None for aux; left out"]),
    ("a dataclass", "dataclass", [], ["scores", "hidden"], []),
    ("an ordered dictionary", "ordered_dictionary", [], ["b", "a"], []),
    ("a dictionary in compiled source", "scripted_dictionary", [], ["out", "aux"], ["a branch"]),
    ("a number among the outputs", "number", [], False, ['returns an int as output "count"', "torch.tensor"]),
    ("a text among the outputs", "text", [], False, ['returns a str as output "1"']),
    ("None for some inputs", "sometimes", [], False, ["a branch"]),
    ("nothing but None", "only_none", [], False, ["returns no tensor"]),
    ("None among the outputs", "nothing", [], ["y"], ["returns None for 1; left out"]),
    ("arguments in another order", "other_order", [], ["output0"], []),
    ("arguments half right", "half_right", [], False, ["calls them left, right", '"other" is none of these']),
    ("lengths of at least 1", "lengths", ["--trace"], ["output0"], []),
    ("a large example", "large", [], ["output0"], ["their first item is kept"]),
    ("a huge example", "huge", [], ["output0"], ["not kept in the file", "--example"]),
    ("no example", "plain", ["--no-example"], ["y"], []),
    ("a batch that is recorded as a number", "constant_batch", ["--trace"], False, ["a size", "one item", "use --script"]),
    ("a length that is recorded as a number", "constant_length", ["--trace"], False, ["a size", "T = 10", "use --script"]),
    ("a length that is recorded as a number: compiled instead", "constant_length", [], ["output0"], ["a size", "--script"]),
    ("two batches", "two_batches", [], False, ["N is 1 and 2"]),
    ("a program of torch.export", "program", [], False, ["program.module()"]),
    ("a module that is compiled already", "script_module", [], ["out", "aux"], []),
    ("a function with a gradient of its own", "own_gradient", [], False, ["calls Rounded (", "exports.py:", "torch.autograd.Function"]),
    ("a method that is not compiled", "ignoring", ["--script"], False, ["calls helped (", "exports.py:", "torch.jit.ignore"]),
    ("weights on the meta device", "on_meta", [], False, ["meta device", "no values"]),
    ("a module for a GPU", "on_a_gpu", [], False, ["CPU"]),
    ("a library's long message", "long_message", [], False, ["aten::empty.memory_format needs the CUDA device"]),
    ("a tensor in the manifest", "tensor_in_manifest", [], False, ['"labels" in the manifest must be a list of texts, not a Tensor']),
    ("a shape that is none", "bad_shape", [], False, ["has the shape 'N,8'"]),
    ("a type that is no text", "type_object", [], False, ["x is declared torch.float32; AMP4EC carries float32"]),
    ("a function that ends the program", "exits", [], False, ["the weights are missing"]),
    ("dropout in training mode", "dropout", [], False, ["eval()"]),
    ("dropout that two runs do not show", "small_dropout", [], False, ["aten::dropout", "eval()"]),
    ("batch-norm in training mode", "batch_norm", [], False, ["aten::batch_norm", "eval()"]),
    ("modules in training mode", "module_dropout", [], True, ["training mode", "eval()"]),
    ("a module that stays in training mode", "stays_in_training", [], False, ["BatchNorm1d stays in training mode after eval()"]),
    ("a module that does not run", "raises", [], False, ["missing", "exports.py:"]),
    ("no manifest", "no_manifest", [], False, ["manifest must be a dict"]),
    ("an unknown word", "bad_word", [], False, ['"batch" in the manifest']),
    ("a function that fails", "fails", [], False, ["weights.bin", "exports.py:"]),
    ("no such function", "absent", [], False, ["absent"]),
]


def export(function, options, output):
    """The exporter's exit code and all that it says."""
    said = io.StringIO()
    # Each export is a process of its own elsewhere: classes that were compiled before are not known there.
    torch._C._jit_clear_class_registry()
    torch.jit._recursive.concrete_type_store = torch.jit._recursive.ConcreteTypeStore()
    torch.jit._state._clear_class_state()
    sys.argv = ["export-model", "--cache", str(output.parent), "--function", f"exports:{function}", *options, str(output)]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            exporter.main()
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code)
                return 1, said.getvalue()
            return end.code or 0, said.getvalue()
    return 0, said.getvalue()


#: No error needs more.
MAXIMUM_CHARACTERS = 700


def written(path):
    """The names of the outputs that the file declares, and the arrays of its example."""
    # torch puts bytes in the place of the texts.
    extra: dict[str, Any] = {exporter.archive.MANIFEST: "", exporter.archive.EXAMPLE: ""}
    torch.jit.load(str(path), _extra_files=extra)
    manifest, example = json.loads(extra[exporter.archive.MANIFEST]), extra[exporter.archive.EXAMPLE]
    arrays = {}
    if example:
        with numpy.load(io.BytesIO(example)) as file:
            arrays = {name: file[name] for name in file.files}
    return manifest, arrays


def problems(function, options, expected, mentions):
    """expected: whether a file comes of it, or the names of its outputs."""
    is_exported = expected is not False
    with tempfile.TemporaryDirectory(prefix="amp4ec-exports-") as folder:
        output = pathlib.Path(folder) / "out.pt"
        code, text = export(function, options, output)
        if (code == 0) != is_exported:
            yield f"exit code {code}: {text}"
        if output.exists() != is_exported:
            yield "there is a file" if output.exists() else "there is no file"
        if "Traceback" in text or len(text) > MAXIMUM_CHARACTERS:
            yield f"a traceback, or {len(text)} characters: {text}"
        for mention in mentions:
            if mention not in text:
                yield f"{mention!r} is not in: {text}"
        if not output.exists():
            return
        manifest, arrays = written(output)
        names = [spec["name"] for spec in manifest["outputs"]]
        if isinstance(expected, list) and names != expected:
            yield f"the outputs are {names}, not {expected}"
        has_none = "--no-example" in options or "not kept in the file" in text
        wanted = [] if has_none else [spec["name"] for spec in manifest["inputs"]]
        if list(arrays) != wanted:
            yield f"the example holds {list(arrays)}, not {wanted}"


os.chdir(HERE)
failed = 0
for what, function, options, expected, mentions in CASES:
    found = list(problems(function, options, expected, mentions))
    failed += bool(found)
    print("FAIL" if found else "ok  ", what, *found, sep="  ", flush=True)
print(f"exports: {len(CASES) - failed} passed, {failed} failed")
sys.exit(1 if failed or not CASES else 0)
