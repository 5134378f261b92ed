"""Makes one network of the zoo, exports it and says what plain PyTorch answers.

Into a folder go model.pt, requests and answers as SIZE.npz and SIZE.wanted.npz, and facts.json, which also holds what the exporter said.
"""

import contextlib
import importlib
import io
import json
import os
import pathlib
import sys
import time
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2] / "scripts" / "export"), str(HERE)]

import numpy  # noqa: E402
import torch  # noqa: E402

import handover  # noqa: E402
import main as exporter  # noqa: E402
import made as making  # noqa: E402

#: Of the largest value; outputs that hardly differ between items would prove nothing.
LEAST_DIFFERENCE = 1e-2
SCALES = (1e-3, 1e4)


class Dull(Exception):
    """The network's own fault: its answers do not depend on its inputs."""


def make(network):
    torch.manual_seed(network.seed)
    module, function = network.made_by.split(":")
    made = getattr(importlib.import_module(module), function)(*network.arguments, **network.options)
    made.module.eval()
    return made


def export(network, output):
    """The exporter's exit code and all that it says."""
    said = io.StringIO()
    sys.argv = ["export-model", "--cache", str(output.parent), "--function", "handover:model", *network.how, str(output)]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            exporter.main()
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code)
                return 1, said.getvalue()
            return end.code or 0, said.getvalue()
    return 0, said.getvalue()


def check_lively(outputs, declared):
    """Each output differs between items and is of a usual size."""
    for spec, value in zip(declared, outputs):
        largest = float(value.to(torch.float64).abs().max()) if value.numel() else 0.0
        if not value.is_floating_point():
            if value.numel() and bool((value == value.reshape(-1)[0]).all()):
                raise Dull(f"output {spec['name']} is {value.reshape(-1)[0]} everywhere")
            continue
        if not SCALES[0] <= largest <= SCALES[1]:
            raise Dull(f"output {spec['name']} is at most {largest:.2g}")
        if "N" not in spec["shape"]:
            continue
        items = value.to(torch.float64).movedim(spec["shape"].index("N"), 0)
        difference = float((items - items[:1]).abs().max()) / largest
        if difference < LEAST_DIFFERENCE:
            raise Dull(f"output {spec['name']} differs by {difference:.2g} of its largest value between items")


def arrays(names, tensors):
    return {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}


def prepare(network, folder, sizes):
    # One thread, as a worker has: with more, sums may be in another order.
    torch.set_num_threads(1)
    made = make(network)
    example, manifest = making.manifest(network.name, made)
    facts = {"parameters": sum(p.numel() for p in made.module.state_dict().values() if isinstance(p, torch.Tensor) and p.is_floating_point())}
    names = [spec["name"] for spec in manifest["outputs"]]
    if network.refused is None:
        for size in sizes:
            inputs = made.batch(size)
            outputs = making.run(made.module, inputs)
            if size == max(sizes):
                check_lively(outputs, manifest["outputs"])
            numpy.savez(folder / f"{size}.npz", **arrays(made.inputs, inputs))
            numpy.savez(folder / f"{size}.wanted.npz", **arrays(names, outputs))
    else:
        with contextlib.suppress(TypeError):  # A type that no array has.
            numpy.savez(folder / f"{max(sizes)}.npz", **arrays(made.inputs, made.batch(max(sizes))))
    handover.made = made.module, example, manifest
    began = time.monotonic()
    code, said = export(network, folder / "model.pt")
    return {**facts, "outputs": names, "export_code": code, "export_said": said, "export_seconds": time.monotonic() - began}


def write(network, folder, sizes):
    """The whole of a process that does nothing else."""
    log = os.open(folder / "prepare.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    warnings.simplefilter("ignore")
    try:
        facts = prepare(network, folder, sizes)
    except Dull as why:
        facts = {"dull": str(why)}
    (folder / "facts.json").write_text(json.dumps(facts))
