"""Exports a model for AMP4EC: TorchScript with a manifest inside. See `scripts/export-model --help`."""

import argparse
import importlib
import os
import sys
import time
import traceback

import torch

import archive
from examine import Unfit, check_repeats, compare, flat, in_training, reason, run, same

KNOWN = ("efficientnet-lite0", "mobilenet-v2", "resnet-18")


def own_place(error):
    """Where in somebody's own file an exception came from; "" where it did not."""
    here = os.path.dirname(os.path.realpath(__file__))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        # Not ours, not the interpreter's, not a library's.
        if os.path.isfile(frame.filename) and not os.path.realpath(frame.filename).startswith((here, sys.prefix, sys.base_prefix)):
            return f" ({frame.filename}:{frame.lineno})"
    return ""


def from_function(target):
    if ":" not in target:
        raise Unfit(f"--function {target}: write MODULE:FUNCTION")
    module_name, function_name = target.split(":", 1)
    sys.path.insert(0, os.getcwd())
    try:
        result = getattr(importlib.import_module(module_name), function_name)()
    except Exception as error:
        raise Unfit(f"--function {target}: {reason(error)}{own_place(error)}") from None
    if not isinstance(result, tuple) or len(result) != 3:
        raise Unfit(f"--function {target} must return (module, example_inputs, manifest)")
    module, inputs, manifest = result
    if not isinstance(module, torch.nn.Module):
        raise Unfit(f"--function {target} must return a torch module first, not a {type(module).__name__}")
    inputs = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    if not isinstance(inputs, (list, tuple)) or not inputs or not all(isinstance(t, torch.Tensor) for t in inputs):
        raise Unfit(f"--function {target}: the example inputs must be a list of tensors, one for each argument of forward")
    check_manifest(manifest)
    return module, list(inputs), manifest


def check_manifest(manifest):
    if not isinstance(manifest, dict):
        raise Unfit(f"the manifest must be a dict, not a {type(manifest).__name__}")
    for key in ("name", "inputs", "outputs"):
        if key not in manifest:
            raise Unfit(f'the manifest has no "{key}"')
    for kind in ("inputs", "outputs"):
        if not isinstance(manifest[kind], (list, tuple)):
            raise Unfit(f'"{kind}" in the manifest must be a list of {{"name", "dtype", "shape"}}')
        for entry in manifest[kind]:
            if not isinstance(entry, dict) or not {"name", "dtype", "shape"} <= entry.keys():
                raise Unfit(f'"{kind}" in the manifest must be a list of {{"name", "dtype", "shape"}}, but has {entry}')
            if entry["dtype"] not in archive.DTYPES.values():
                raise Unfit(
                    f"{kind}: {entry['name']} is declared {entry['dtype']}; AMP4EC carries {', '.join(archive.DTYPES.values())}: "
                    "convert it in the model (module.float() for float64 weights)")
    if manifest.get("batch", "checked") not in ("checked", "independent"):
        raise Unfit(f'"batch" in the manifest is "independent", or left to the check; not {manifest["batch"]!r}')


def known(name, cache):
    if name == "efficientnet-lite0":
        import efficientnet

        return efficientnet.efficientnet_lite0(cache)
    import networks

    return {"mobilenet-v2": networks.mobilenet_v2, "resnet-18": networks.resnet_18}[name]()


def check_declared(kind, specs, tensors):
    if len(specs) != len(tensors):
        raise Unfit(f"the manifest declares {len(specs)} {kind}, but the model has {len(tensors)}")
    for declared, tensor in zip(specs, tensors):
        name, shape = declared["name"], declared["shape"]
        actual = archive.DTYPES.get(tensor.dtype)
        if actual is None:
            raise Unfit(
                f"{kind}: {name} is {str(tensor.dtype).removeprefix('torch.')}; AMP4EC carries {', '.join(archive.DTYPES.values())}: "
                "convert it in the model")
        if declared["dtype"] != actual:
            raise Unfit(f"{kind}: {name} is declared {declared['dtype']}, but is {actual}")
        fits = len(shape) == tensor.dim() and all(isinstance(d, str) or d == e for d, e in zip(shape, tensor.shape))
        if not fits:
            raise Unfit(f"{kind}: {name} is declared {shape}, but has shape {list(tensor.shape)}")


def one_item(specs, tensors):
    """The first item of a batch, or None where the inputs declare no batch or hold one item only."""
    sliced, batches = [], set()
    for declared, tensor in zip(specs, tensors):
        position = declared["shape"].index("N") if "N" in declared["shape"] else None
        if position is not None:
            batches.add(tensor.shape[position])
        sliced.append(tensor if position is None else tensor.narrow(position, 0, 1).contiguous())
    return sliced if batches and max(batches) > 1 else None


def check_saved(path, module, inputs, manifest):
    """Loads the file again and compares it with the module, at the example's batch, at one item, and for inputs that differ."""
    loaded = torch.jit.load(path)
    single = one_item(manifest["inputs"], inputs)
    for sample in [inputs] + ([single] if single else []):
        wanted = flat(run(module, sample))
        try:
            got = flat(run(loaded, sample))
        except RuntimeError as error:
            raise Unfit(
                "the exported model runs at the example's batch only (a size was traced as a constant); use x.size() in the "
                f"module, or --script: {reason(error)}") from None
        check_declared("outputs", manifest["outputs"], got)
        for declared, a, b in zip(manifest["outputs"], got, wanted):
            if not same(a, b):
                raise Unfit(
                    f"output {declared['name']} of the exported model differs from the module's (a branch or a size was traced as a "
                    "constant); try --script")
    return loaded


def exported(module, inputs, how):
    """The module as TorchScript that gives what the module gives, recorded where that will do.

    how: "trace", "script", or None for a record, and compiled source where a record loses a branch.
    """
    places = []
    if how != "script":
        try:
            script = archive.script_of(module, [t.clone() for t in inputs], False, places.append)
        except Exception as error:
            raise Unfit(f"the model cannot be traced: {reason(error)}{own_place(error)}; try --script") from None
        for place in places:
            say(f"warning: {place}")
        different = compare(script, module, inputs)
        if different is None:
            if places:
                say("warning: the trace keeps one way through these places; inputs that were tried took no other. If others may, use --script")
            return script
        lost = f"a branch of the model was recorded as it went for the example, and the exported model differs from it for {different}"
        if how == "trace":
            raise Unfit(f"{lost}; use --script")
        say(f"warning: {lost}; so the model's source is compiled instead (--script)")
    try:
        script = archive.script_of(module, [], True)
    except Exception as error:
        raise Unfit(f"the model's source cannot be compiled: {reason(error)}{own_place(error)}") from None
    different = compare(script, module, inputs)
    if different is not None:
        raise Unfit(f"the compiled model differs from the module for {different}")
    return script


def say(text):
    print(f"export-model: {text}", file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """Wrong usage exits with 64, as from every command here. The help is at the top of scripts/export-model."""

    def error(self, message):
        self.exit(64, f"{self.format_usage()}{self.prog}: error: {message}\n")


def export():
    parser = Parser(
        prog="scripts/export-model", add_help=False,
        usage="scripts/export-model (NAME | --function MODULE:FUNCTION) [--trace | --script] OUT.pt (see --help)")
    parser.add_argument("arguments", nargs="+", metavar="NAME, OUT.pt")
    parser.add_argument("--function", metavar="MODULE:FUNCTION")
    parser.add_argument("--cache", required=True)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--trace", action="store_true")
    how.add_argument("--script", action="store_true")
    options = parser.parse_args()
    if len(options.arguments) != (1 if options.function else 2):
        parser.error("give a known name or --function, and one output file")
    path = options.arguments[-1]
    start = time.monotonic()
    if options.function:
        module, inputs, manifest = from_function(options.function)
    else:
        name = options.arguments[0]
        if name not in KNOWN:
            parser.error(f"{name} is none of {', '.join(KNOWN)}; use --function for a model of your own")
        module, inputs, manifest = known(name, options.cache)
    drops = [m for m in module.modules() if isinstance(m, (torch.nn.modules.dropout._DropoutNd, torch.nn.modules.batchnorm._BatchNorm))]
    if any(m.training for m in drops):
        say("note: the module is in training mode (dropout or batch-norm); it is exported in evaluation mode, as after eval()")
    module = module.eval()
    check_declared("inputs", manifest["inputs"], inputs)
    try:
        run(module, inputs)
    except Exception as error:
        raise Unfit(f"the module does not run with its example inputs: {reason(error)}{own_place(error)}") from None
    check_declared("outputs", manifest["outputs"], check_repeats(module, inputs))
    how = "trace" if options.trace else "script" if options.script else None
    script = exported(module, inputs, how)
    if training := in_training(script):
        raise Unfit(
            f"{', '.join(training)} stays in training mode: call eval() on the module, and hand F.dropout and F.batch_norm "
            "training=self.training")
    unfinished = f"{path}.unverified"
    try:
        archive.save(script, manifest, unfinished)
        check_saved(unfinished, module, inputs, manifest)
        os.replace(unfinished, path)
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)
    print(f"{path}: {manifest['name']}, {os.path.getsize(path):,} bytes, {time.monotonic() - start:.1f} s")


def main():
    try:
        export()
    except Unfit as why:
        raise SystemExit(f"export-model: error: {why}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        # Whatever it is, its text says more to a user than where in our scripts it was met.
        if os.environ.get("AMP4EC_TRACEBACK"):
            raise
        raise SystemExit(
            f"export-model: error: {reason(error)}{own_place(error)} (AMP4EC_TRACEBACK=1 shows where it came from)") from None


if __name__ == "__main__":
    main()
