"""What the networks of the zoo are made with: inputs, weights that let inputs matter, and the hand-over to the exporter."""

import pathlib
import sys
from dataclasses import dataclass, field
from typing import Callable, List, Sequence

import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts" / "export"))
import archive

#: Parameters that start at a millionth, so that a fresh network's blocks do nothing; `lively` gives them this.
LAYER_SCALE = 0.5
LAYER_SCALES = ("gamma", "gamma_1", "gamma_2", "gamma1", "gamma2", "layer_scale", "layer_scale_1", "layer_scale_2", "lambda1")


@dataclass
class Made:
    """A network with the inputs of a batch of n items, and the names of inputs and outputs."""

    module: nn.Module
    batch: Callable[[int], List[torch.Tensor]]
    inputs: Sequence[str] = ("x",)
    outputs: Sequence[str] = field(default=())


class Picked(nn.Module):
    """A network called by keywords, of whose answer a part is returned: as one wraps it for an export."""

    def __init__(self, module, names, pick):
        super().__init__()
        self.module, self.names, self.pick = module, names, pick

    def forward(self, *inputs):
        return self.pick(self.module(**dict(zip(self.names, inputs))))


class Called(nn.Module):
    """The same by position."""

    def __init__(self, module, pick):
        super().__init__()
        self.module, self.pick = module, pick

    def forward(self, x):
        return self.pick(self.module(x))


def pictures(side, channels=3):
    """Batches of smooth fields plus fine grain, mean 0 and deviation 1."""

    def batch(count):
        coarse = torch.randn(count, channels, max(side // 16, 2), max(side // 16, 2))
        smooth = nn.functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
        mixed = smooth + 0.3 * torch.randn(count, channels, side, side)
        return [(mixed - mixed.mean((1, 2, 3), keepdim=True)) / mixed.std((1, 2, 3), keepdim=True)]

    return batch


def normal(*shape):
    """Batches of drawn numbers; `shape` is one item's."""
    return lambda count: [torch.randn(count, *shape)]


def words(length, vocabulary, first=3):
    """Batches of sentences, without the numbers below `first` that often mean padding and the like."""
    return lambda count: [torch.randint(first, vocabulary, (count, length))]


def lively(module, batch):
    """Weights with which outputs depend on inputs: layer scales that count, and batch-norms with the statistics of `batch`."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.rsplit(".", 1)[-1] in LAYER_SCALES:
                parameter.fill_(LAYER_SCALE)
            elif parameter.dim() > 1 and not parameter.any():
                # Heads that start with zeros answer zeros.
                nn.init.normal_(parameter, 0, parameter[0].numel() ** -0.5)
    if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in module.modules()):
        archive.calibrate(module, [batch(8) for _ in range(2)])
    return module.eval()


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for element in value if element is not None for tensor in flat(element)]


def run(module, inputs):
    with torch.no_grad():
        return flat(module(*[tensor.clone() for tensor in inputs]))


def declared(names, two, three):
    """Inputs or outputs as the manifest has them; what differs between batches of two and three items is N."""
    specs = []
    for name, a, b in zip(names, two, three, strict=True):
        dtype = archive.DTYPES.get(a.dtype, str(a.dtype).removeprefix("torch."))
        specs.append({"name": name, "dtype": dtype, "shape": ["N" if x != y else x for x, y in zip(a.shape, b.shape)]})
    return specs


def manifest(name, made):
    two, three = made.batch(2), made.batch(3)
    outputs = run(made.module, two), run(made.module, three)
    names = made.outputs or (["y"] if len(outputs[0]) == 1 else [f"y{number}" for number in range(len(outputs[0]))])
    return two, {"name": name, "inputs": declared(made.inputs, two, three), "outputs": declared(names, *outputs)}
