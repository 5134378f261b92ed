"""What a user's function gives to the exporter: the module, its example inputs and the manifest, checked before anything is made of them."""

import importlib
import inspect
import json
import os
import sys

import torch

import archive
from errors import Unfit, own_place, reason, say
from examine import run
from structure import bound, flat, safe

CARRIED = ", ".join(archive.DTYPES.values())


def from_function(target):
    module_name, function_name = target.split(":")
    sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
        if not hasattr(module, function_name):
            raise Unfit(f"--function {target}: {module.__file__ or module_name} has no function {function_name}")
        result = getattr(module, function_name)()
    except Unfit:
        raise
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise Unfit(f"--function {target}: {reason(error)}{own_place(error)}; install it for {sys.executable}") from None
        raise Unfit(f"--function {target}: there is no module {error.name} in {os.getcwd()} or on PYTHONPATH") from None
    except SystemExit as end:
        raise Unfit(f"--function {target} ends Python (SystemExit: {end.code}){own_place(end)}; it must return") from None
    except Exception as error:
        raise Unfit(f"--function {target}: {reason(error)}{own_place(error)}") from None
    if not isinstance(result, tuple) or len(result) != 3:
        raise Unfit(f"--function {target} must return (module, example_inputs, manifest)")
    module, inputs, manifest = result
    if isinstance(module, torch.export.ExportedProgram):
        raise Unfit(f"--function {target} returns an ExportedProgram (torch.export, .pt2); return its module: program.module()")
    if not isinstance(module, torch.nn.Module):
        raise Unfit(f"--function {target} must return a torch module first, not {kind_of(module)}")
    inputs = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    if not isinstance(inputs, (list, tuple)) or not inputs or not all(isinstance(t, torch.Tensor) for t in inputs):
        raise Unfit(f"--function {target}: the example inputs must be a list of tensors, one for each argument of forward")
    check_manifest(manifest)
    return module, list(inputs), manifest


def kind_of(value):
    return "None" if value is None else f"a {type(value).__name__}"


def shape_text(shape):
    return f"[{', '.join(map(str, shape))}]"


def check_manifest(manifest):
    if not isinstance(manifest, dict):
        raise Unfit(f"the manifest must be a dict, not {kind_of(manifest)}")
    for key in ("name", "inputs"):
        if key not in manifest:
            raise Unfit(f'the manifest has no "{key}"')
    if not isinstance(manifest["name"], str) or not manifest["name"]:
        raise Unfit(f'"name" in the manifest must be a text, not {manifest["name"]!r}')
    for kind in ("inputs", "outputs"):
        if kind in manifest:
            check_specs(kind, manifest[kind])
    if manifest.get("batch", "checked") not in ("checked", "independent"):
        raise Unfit(f'"batch" in the manifest is "independent", or left to the check; not {manifest["batch"]!r}')
    check_pictures(manifest)
    try:
        json.dumps(manifest)
    except (TypeError, ValueError) as error:
        raise Unfit(f"the manifest must hold texts, numbers, lists and dicts only ({error})") from None


#: What "preprocessing" may hold, and what each must be.
PREPROCESSING = {
    "resizeShorterSide": "a number of pixels", "cropSize": "a number of pixels", "interpolation": '"bilinear" or "bicubic"',
    "layout": '"HWC" or "CHW"', "mean": "a list of three numbers", "std": "a list of three numbers"}


def check_pictures(manifest):
    """The labels and the preprocessing, which the programs would refuse later."""
    labels = manifest.get("labels")
    if labels is not None and not (isinstance(labels, (list, tuple)) and all(isinstance(label, str) for label in labels)):
        raise Unfit(f'"labels" in the manifest must be a list of texts, not {kind_of(labels)}')
    steps = manifest.get("preprocessing")
    if steps is None:
        return
    if not isinstance(steps, dict):
        raise Unfit(f'"preprocessing" in the manifest must be a dict of {", ".join(PREPROCESSING)}, not {kind_of(steps)}')
    for key, what in PREPROCESSING.items():
        value = steps.get(key)
        if value is None and key in ("mean", "std"):
            continue
        fits = type(value) is int and value > 0 if what.endswith("pixels") else \
            isinstance(value, (list, tuple)) and len(value) == 3 and all(isinstance(v, (int, float)) for v in value) \
            if key in ("mean", "std") else isinstance(value, str) and f'"{value}"' in what
        if not fits:
            raise Unfit(f'"{key}" under "preprocessing" in the manifest must be {what}, not {value!r}')


def check_specs(kind, specs):
    if not isinstance(specs, (list, tuple)) or not specs:
        raise Unfit(f'"{kind}" in the manifest must be a list of {{"name", "dtype", "shape"}}')
    for entry in specs:
        if not isinstance(entry, dict) or not {"name", "dtype", "shape"} <= entry.keys():
            raise Unfit(f'"{kind}" in the manifest must be a list of {{"name", "dtype", "shape"}}, but has {entry}')
        name, shape = entry["name"], entry["shape"]
        if not isinstance(name, str) or not name or safe(name) != name:
            raise Unfit(f"{kind}: {name!r} is no name: a text of up to 255 bytes without blanks, colons and control characters")
        if entry["dtype"] not in archive.DTYPES.values():
            raise Unfit(
                f"{kind}: {name} is declared {entry['dtype']}; AMP4EC carries {CARRIED}: "
                "convert it in the model (module.float() for float64 weights)")
        if not isinstance(shape, (list, tuple)) or not all((type(d) is int and d >= 0) or (isinstance(d, str) and d[:1].isalpha()) for d in shape):
            raise Unfit(f'{kind}: {name} has the shape {shape!r}; write a list of numbers and names, such as ["N", 3, 224, 224]')
        if list(shape).count("N") > 1:
            raise Unfit(f"{kind}: {name} has N twice in its shape {shape}")


def check_carried(what, tensor):
    """The name of the tensor's type."""
    if tensor.layout != torch.strided:
        raise Unfit(f"{what} is {str(tensor.layout).removeprefix('torch.')}; AMP4EC carries dense tensors: to_dense() in the model")
    if tensor.dtype not in archive.DTYPES:
        raise Unfit(f"{what} is {str(tensor.dtype).removeprefix('torch.')}; AMP4EC carries {CARRIED}: convert it in the model")
    return archive.DTYPES[tensor.dtype]


def check_declared(kind, specs, tensors):
    if len(specs) != len(tensors):
        what = "example inputs are given" if kind == "inputs" else "are returned"
        raise Unfit(f'"{kind}" in the manifest has {len(specs)}, but {len(tensors)} {what}')
    batches: set[int] = set()
    for declared, tensor in zip(specs, tensors):
        name, shape = declared["name"], declared["shape"]
        actual = check_carried(f"{kind}: {name}", tensor)
        if declared["dtype"] != actual:
            raise Unfit(f"{kind}: {name} is declared {declared['dtype']}, but is {actual}")
        fits = len(shape) == tensor.dim() and all(isinstance(d, str) or d == e for d, e in zip(shape, tensor.shape))
        if not fits:
            raise Unfit(f"{kind}: {name} is declared {shape_text(shape)}, but has the shape {shape_text(tensor.shape)}")
        batches.update(e for d, e in zip(shape, tensor.shape) if d == "N")
    if kind == "inputs" and len(batches) > 1:
        raise Unfit(f"inputs: N is {' and '.join(map(str, sorted(batches)))} in the example inputs; give each the same number of items")


def on_the_cpu(module, inputs):
    """Everything there, and a note where it was not."""
    placed = [*inputs, *module.parameters(), *module.buffers()]
    elsewhere = sorted({t.device.type for t in placed} - {"cpu"})
    if "meta" in elsewhere:
        raise Unfit("the module's weights are on the meta device: they have no values; load them before it is exported")
    if elsewhere:
        say(f"note: the module or its example inputs are on {', '.join(elsewhere)}; they are exported for the CPU")
        module = module.cpu()
    return module, [t.detach().cpu() for t in inputs]


def input_names(module, count):
    """The names of forward's first arguments; None where it does not say them."""
    if isinstance(module, torch.jit.ScriptModule):
        names = [argument.name for argument in module.forward.schema.arguments[1:]]
    else:
        try:
            parameters = inspect.signature(module.forward).parameters.values()
        except (TypeError, ValueError):
            return None
        names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return names[:count] if len(names) >= count else None


def in_order(kind, specs, names):
    """The declarations in the model's order, and a note where their names are not the model's."""
    if names is None or len(names) != len(specs):
        return list(specs)
    specs, note = bound(kind, specs, names)
    if note:
        say(f"note: {note}")
    return list(specs)


def derived_outputs(module, outputs, single):
    """Declarations of what the model was seen to return; what follows the batch is N."""
    try:
        smaller = [list(t.shape) for t in flat(run(module, single))] if single else []
    except Exception:  # The module takes no single item.
        smaller = []
    specs = []
    for position, (name, tensor) in enumerate(zip(outputs.names, outputs.tensors)):
        check_carried(f"output {name}", tensor)
        shape = list(tensor.shape)
        other = smaller[position] if position < len(smaller) else shape
        if len(other) == len(shape):
            shape = ["N" if a != b and b == 1 else a if a == b else f"d{i}" for i, (a, b) in enumerate(zip(shape, other))]
        if shape.count("N") > 1:
            raise Unfit(f'output {name}: several dimensions follow the batch; say its shape under "outputs" in the manifest')
        specs.append(archive.spec(name, tensor, shape))
    return specs
