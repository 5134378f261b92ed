"""Exports a model for AMP4EC: TorchScript with a manifest inside. See `scripts/export-model --help`."""

import argparse
import importlib
import os
import sys
import time

import torch

import archive

KNOWN = ("efficientnet-lite0", "mobilenet-v2", "resnet-18")


def from_function(target):
    if ":" not in target:
        raise SystemExit(f"--function {target}: write MODULE:FUNCTION")
    module_name, function_name = target.split(":", 1)
    sys.path.insert(0, os.getcwd())
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise SystemExit(f"--function {target}: {error}") from None
    result = function()
    if not isinstance(result, tuple) or len(result) != 3:
        raise SystemExit(f"--function {target} must return (module, example_inputs, manifest)")
    module, inputs, manifest = result
    return module, list(inputs), manifest


def known(name, cache):
    if name == "efficientnet-lite0":
        import efficientnet

        return efficientnet.efficientnet_lite0(cache)
    import networks

    return {"mobilenet-v2": networks.mobilenet_v2, "resnet-18": networks.resnet_18}[name]()


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [tensor for element in value for tensor in flat(element)]
    raise SystemExit(f"the model returns a {type(value).__name__}; return a tensor, or a tuple of tensors")


def check_declared(kind, specs, tensors):
    if len(specs) != len(tensors):
        raise SystemExit(f"the manifest declares {len(specs)} {kind}, but the model has {len(tensors)}")
    for declared, tensor in zip(specs, tensors):
        name, shape = declared["name"], declared["shape"]
        if declared["dtype"] != archive.DTYPES.get(tensor.dtype):
            raise SystemExit(f"{kind}: {name} is declared {declared['dtype']}, but is {tensor.dtype}")
        fits = len(shape) == tensor.dim() and all(isinstance(d, str) or d == e for d, e in zip(shape, tensor.shape))
        if not fits:
            raise SystemExit(f"{kind}: {name} is declared {shape}, but has shape {list(tensor.shape)}")


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
    """Loads the file again and compares it with the module, at the example's batch and at one item."""
    loaded = torch.jit.load(path)
    single = one_item(manifest["inputs"], inputs)
    for sample in [inputs] + ([single] if single else []):
        # One run each: compiling for the sample's shapes, as the executor otherwise does, takes longer than the export.
        with torch.no_grad(), torch.jit.optimized_execution(False):
            wanted = flat(module(*[t.clone() for t in sample]))
            try:
                got = flat(loaded(*[t.clone() for t in sample]))
            except RuntimeError as error:
                raise SystemExit(
                    "the exported model runs at the example's batch only (a size was traced as a constant); use x.size() in the "
                    f"module, or --script: {str(error).strip().splitlines()[-1]}"
                ) from None
        check_declared("outputs", manifest["outputs"], got)
        for declared, a, b in zip(manifest["outputs"], got, wanted):
            if a.shape != b.shape or not torch.allclose(a.float(), b.float(), rtol=1e-3, atol=1e-4):
                raise SystemExit(
                    f"output {declared['name']} of the exported model differs from the module's (a branch or a size was traced as a "
                    "constant); try --script")


class Parser(argparse.ArgumentParser):
    """Wrong usage exits with 64, as from every command here. The help is at the top of scripts/export-model."""

    def error(self, message):
        self.exit(64, f"{self.format_usage()}{self.prog}: error: {message}\n")


def main():
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
    module = module.eval()
    check_declared("inputs", manifest["inputs"], inputs)
    unfinished = f"{path}.unverified"
    try:
        archive.save(archive.script_of(module, [t.clone() for t in inputs], options.script), manifest, unfinished)
        check_saved(unfinished, module, inputs, manifest)
        os.replace(unfinished, path)
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)
    print(f"{path}: {manifest['name']}, {os.path.getsize(path):,} bytes, {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
