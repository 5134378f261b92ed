"""Exports a model for AMP4EC: TorchScript with a manifest inside. See `scripts/export-model --help`."""

import argparse
import os
import tempfile
import time

import torch

import archive
from errors import Unfit, called_in_python, own_place, progress, reason, say
from examine import check_repeats, compare, in_training, one_item, run, same
from given import check_declared, derived_outputs, from_function, in_order, input_names, on_the_cpu
from structure import Outputs, flat

KNOWN = ("efficientnet-lite0", "mobilenet-v2", "mobilenet-v2-pixels", "resnet-18")


def known(name, cache):
    if name == "efficientnet-lite0":
        import efficientnet

        return efficientnet.efficientnet_lite0(cache)
    import networks

    builders = {"mobilenet-v2": networks.mobilenet_v2, "mobilenet-v2-pixels": networks.mobilenet_v2_pixels, "resnet-18": networks.resnet_18}
    return builders[name]()


def check_saved(path, module, inputs, manifest):
    """Loads the file again and compares it with the module, at the example's batch and at one item."""
    loaded = torch.jit.load(path)
    single = one_item(manifest["inputs"], inputs)
    for sample in [inputs] + ([single] if single else []):
        try:
            wanted = flat(run(module, sample))
        except Exception:  # The module takes no single item.
            continue
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


def plain(value):
    tensors = flat(value)
    return tensors[0] if len(tensors) == 1 else tuple(tensors)


def exported(module, inputs, specs, how, is_plain):
    """The module as TorchScript that gives what the module gives, recorded where that will do.

    how: "trace", "script", or None for a record, and compiled source where a record loses a branch.
    """
    if isinstance(module, torch.jit.ScriptModule):
        return module
    places: list[str] = []
    lost = None
    if how != "script":
        try:
            script = archive.script_of(
                module, [t.clone() for t in inputs], False, places.append, plain=None if is_plain else plain)
        except Exception as error:
            raise Unfit(f"the model cannot be traced: {reason(error)}{own_place(error)}; try --script") from None
        for place in places:
            say(f"warning: {place}")
        different = compare(script, module, inputs, specs)
        if different is None:
            if places:
                say("warning: the trace keeps one way through these places; inputs that were tried took no other. If others may, use --script")
            return script
        lost = f"{different[1]}, and the exported model differs from it for {different[0]}"
        if how == "trace":
            raise Unfit(f"{lost}; use --script")
    try:
        script = archive.script_of(module, [], True)
    except Exception as error:
        raise Unfit(
            f"{lost + '; and ' if lost else ''}the model's source cannot be compiled: {reason(error)}{own_place(error)}") from None
    if lost:
        say(f"warning: {lost}; so the model's source is compiled instead (--script)")
    different = compare(script, module, inputs, specs)
    if different is not None:
        raise Unfit(f"the compiled model differs from the module for {different[0]}")
    return script


class Parser(argparse.ArgumentParser):
    """Wrong usage exits with 64, as from every command here. The help is at the top of scripts/export-model."""

    def error(self, message):
        self.exit(64, f"{self.format_usage()}{self.prog}: error: {message}\n")


def parsed():
    parser = Parser(
        prog="export-model", add_help=False,
        usage="scripts/export-model (NAME | --function MODULE:FUNCTION) [--trace | --script] [--no-example] OUT.pt (see --help)")
    parser.add_argument("arguments", nargs="+", metavar="NAME, OUT.pt")
    parser.add_argument("--function", metavar="MODULE:FUNCTION")
    parser.add_argument("--cache", required=True)
    parser.add_argument("--no-example", action="store_true")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--trace", action="store_true")
    how.add_argument("--script", action="store_true")
    options = parser.parse_args()
    if len(options.arguments) != (1 if options.function else 2):
        parser.error("give a known name or --function, and one output file")
    if (options.function and not all(options.function.partition(":")[::2])) or (options.function or "").count(":") > 1:
        parser.error(f"--function {options.function}: write MODULE:FUNCTION")
    if not options.function and options.arguments[0] not in KNOWN:
        parser.error(f"{options.arguments[0]} is none of {', '.join(KNOWN)}; use --function for a model of your own")
    return options


def check_place(path):
    """Before the work, not after it."""
    if os.path.isdir(path):
        raise Unfit(f"{path} is a folder; name a file, such as {os.path.join(path, 'model.pt')}")
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        if os.path.exists(folder):
            raise Unfit(f"{folder} is a file, not a folder; name another place for {os.path.basename(path)}") from None
        raise Unfit(f"{folder} cannot be made: {error.strerror}") from None
    try:
        # Some folders say that they can be written to and cannot.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Unfit(f"{folder} cannot be written to: {error.strerror}") from None


def set_to_evaluation(module):
    drops = [m for m in module.modules() if isinstance(m, (torch.nn.modules.dropout._DropoutNd, torch.nn.modules.batchnorm._BatchNorm))]
    if any(m.training for m in drops):
        say("note: the module is in training mode (dropout or batch-norm); it is exported in evaluation mode, as after eval()")
    module = module.eval()
    if stays := sorted({type(m).__name__ for m in drops if m.training}):
        raise Unfit(f"{', '.join(stays)} stays in training mode after eval(); does a train() of yours keep it there?")
    return module


def declared(module, inputs, manifest):
    """The manifest with inputs and outputs in the model's order, and what the module returns for the example."""
    manifest = dict(manifest)
    manifest["inputs"] = in_order("inputs", manifest["inputs"], input_names(module, len(inputs)))
    check_declared("inputs", manifest["inputs"], inputs)
    try:
        value = run(module, inputs)
    except Exception as error:
        raise Unfit(f"the module does not run with its example inputs: {reason(error)}{own_place(error)}") from None
    outputs = Outputs(value)
    if outputs.omitted:
        say(f"note: the model returns None for {', '.join(outputs.omitted)}; left out")
    if "outputs" not in manifest:
        single = one_item(manifest["inputs"], inputs)
        if single is None and any("N" in spec["shape"] for spec in manifest["inputs"]):
            raise Unfit(
                'the example inputs hold one item, so how the outputs follow N cannot be seen; give two items or more, or declare "outputs"')
        manifest["outputs"] = derived_outputs(module, outputs, single)
        shapes = ", ".join(f"{s['name']}:{s['dtype']}[{','.join(map(str, s['shape']))}]" for s in manifest["outputs"])
        say(f"note: the outputs are {shapes}")
    if len(manifest["outputs"]) != len(outputs.names):
        raise Unfit(
            f"\"outputs\" in the manifest has {len(manifest['outputs'])}, but the model returns {len(outputs.names)}: "
            f"{', '.join(outputs.names)}")
    if outputs.are_named:
        manifest["outputs"] = in_order("outputs", manifest["outputs"], outputs.names)
    check_declared("outputs", manifest["outputs"], outputs.tensors)
    check_repeats(module, inputs)
    return manifest, outputs


def example(inputs, manifest):
    """The example inputs as they are kept in the file; fewer of their items where they are large."""
    names = [spec["name"] for spec in manifest["inputs"]]
    whole = archive.example_bytes(names, inputs)
    single = one_item(manifest["inputs"], inputs)
    kept = whole or (archive.example_bytes(names, single) if single else None)
    if kept is None:
        say(f"note: the example inputs are over {archive.MAXIMUM_EXAMPLE_BYTES >> 20} MiB and are not kept in the file; the model is "
            "measured with made-up ones, or with those of --example FILE.npz (coordinator, amp4ec plan)")
    elif whole is None:
        say(f"note: the example inputs are over {archive.MAXIMUM_EXAMPLE_BYTES >> 20} MiB; their first item is kept in the file")
    return kept


def save(script, manifest, path, kept):
    try:
        archive.save(script, manifest, path, kept)
    except RuntimeError as error:
        if called := called_in_python(error):
            raise Unfit(
                f"the model calls {called} in Python (a torch.autograd.Function, or marked with torch.jit.ignore), which no file can hold; "
                "call plain functions of torch in its place when the module is in evaluation mode") from None
        raise


def export():
    options = parsed()
    path = options.arguments[-1]
    start = time.monotonic()
    check_place(path)
    progress("building the network")
    module, inputs, manifest = from_function(options.function) if options.function else known(options.arguments[0], options.cache)
    module, inputs = on_the_cpu(module, inputs)
    module = set_to_evaluation(module)
    manifest, outputs = declared(module, inputs, manifest)
    how = "trace" if options.trace else "script" if options.script else None
    progress("recording it")
    script = exported(module, inputs, manifest["inputs"], how, outputs.is_plain)
    if training := in_training(script):
        raise Unfit(
            f"{', '.join(training)} stays in training mode: call eval() on the module, and hand F.dropout and F.batch_norm "
            "training=self.training")
    unfinished = f"{path}.unverified"
    try:
        save(script, manifest, unfinished, None if options.no_example else example(inputs, manifest))
        progress("comparing the file with the network")
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
    except OSError as error:
        raise SystemExit(f"export-model: error: {error.filename or 'a file'}: {error.strerror or error}") from None
    except Exception as error:
        # Whatever it is, its text says more to a user than where in our scripts it was met.
        if os.environ.get("AMP4EC_TRACEBACK"):
            raise
        raise SystemExit(
            f"export-model: error: {reason(error)}{own_place(error)} (AMP4EC_TRACEBACK=1 shows where it came from)") from None


if __name__ == "__main__":
    main()
