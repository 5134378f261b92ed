"""Writes a TorchScript archive with AMP4EC's manifest inside."""

import contextlib
import io
import json
import os
import warnings
import zipfile

import numpy
import torch

from errors import Unfit, shown_path

MANIFEST = "amp4ec.json"
#: The inputs that the model was exported with: what it is measured with later.
EXAMPLE = "amp4ec-example.npz"
#: As ModelManifest.maximumExampleByteCount. A batch of pictures is 1 MiB; a file should stay a model.
MAXIMUM_EXAMPLE_BYTES = 4 << 20
DTYPES = {
    torch.float32: "float32",
    torch.float16: "float16",
    torch.uint8: "uint8",
    torch.int32: "int32",
    torch.int64: "int64",
    torch.bool: "bool",
}


def spec(name, tensor, shape=None):
    """The declaration of one input or output; `shape` names what varies: ["N", 3, 224, 224]."""
    if tensor.dtype not in DTYPES:
        raise Unfit(f"{name} is {tensor.dtype}; AMP4EC carries {', '.join(DTYPES.values())}: convert it in the model")
    return {"name": name, "dtype": DTYPES[tensor.dtype], "shape": list(shape if shape is not None else tensor.shape)}


def script_of(module, example_inputs, scripted, warn=None, plain=None, strict=True):
    """The module as TorchScript, in eval mode.

    `warn` is called with each place at which a trace may have lost something; `plain` makes what forward returns into something that
    a trace takes (tuples of tensors); without it and without `strict` a trace keeps dictionaries.
    """
    module = module.eval()
    hook = module.register_forward_hook(lambda _module, _inputs, output: plain(output)) if plain and not scripted else None
    try:
        return _script_of(module, example_inputs, scripted, warn, strict)
    finally:
        if hook is not None:
            hook.remove()


def _script_of(module, example_inputs, scripted, warn, strict):
    with torch.no_grad(), warnings.catch_warnings(record=True) as caught:
        # Both calls warn that TorchScript is no longer developed: it is still what libtorch reads.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("always", torch.jit.TracerWarning)
        with contextlib.redirect_stdout(io.StringIO()):
            if scripted:
                return torch.jit.script(module)
            script = torch.jit.trace(module, tuple(example_inputs), check_trace=False, strict=strict)
    told = set()
    for warning in caught:
        text = str(warning.message).strip().splitlines()[0].split(". ")[0]
        place = f"{shown_path(warning.filename)}:{warning.lineno}: {text}"
        if warn is not None and issubclass(warning.category, torch.jit.TracerWarning) and place not in told:
            told.add(place)
            warn(place)
    return script


def example_bytes(names, inputs):
    """The inputs as a .npz, the same bytes each time; None where they are too large to be kept in a model's file."""
    if sum(t.numel() * t.element_size() for t in inputs) > MAXIMUM_EXAMPLE_BYTES:
        return None
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as entries:
        for name, tensor in zip(names, inputs, strict=True):
            array = io.BytesIO()
            numpy.lib.format.write_array(array, tensor.detach().cpu().contiguous().numpy(), allow_pickle=False)
            entries.writestr(zipfile.ZipInfo(f"{name}.npy"), array.getvalue())
    return file.getvalue()


def save(script, manifest, path, example=None):
    """Writes `path` in one step, so that a broken export never leaves half a file. `example`: from `example_bytes`."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    unfinished = f"{path}.{os.getpid()}.unfinished"
    extra = {MANIFEST: json.dumps(manifest, ensure_ascii=False)} if manifest is not None else {}
    if example is not None:
        extra[EXAMPLE] = example
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.jit.save(script, unfinished, _extra_files=extra)
        os.replace(unfinished, path)
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)


def calibrate(module, batches):
    """Gives batch-norms the statistics of `batches`, so that an untrained network's outputs are of order one.

    With random weights and the statistics that a fresh module has, activations of deep networks fade to nearly the same numbers
    for every input, and a comparison of results would prove nothing.
    """
    norms = [m for m in module.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    module.train()
    with torch.no_grad():
        for batch in batches:
            module(*batch)
    return module.eval()
