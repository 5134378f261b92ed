"""Models that people hand to scripts/export-model, for its tests: NAME() is what `--function exports:NAME` asks for."""

import torch
from torch import nn
from torch.nn import functional as F


def made(module, x, dtype="float32", outputs=("y",), width=3):
    return module, [x], {
        "name": "m", "inputs": [{"name": "x", "dtype": dtype, "shape": ["N", 8]}],
        "outputs": [{"name": name, "dtype": dtype, "shape": ["N", width]} for name in outputs]}


class Own(nn.Module):
    """`body(self, x)` is its forward."""

    def __init__(self, body):
        super().__init__()
        self.a, self.b = nn.Linear(8, 3), nn.Linear(8, 3)
        self.body = body

    def forward(self, x):
        return self.body(self, x)


class Branch(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x):
        return self.a(x) if bool(x.sum() > 0) else self.b(x).neg()


def branch():
    return made(Branch(), torch.rand(2, 8))


def closed_branch():
    """The same where the source cannot be compiled."""
    return made(Own(lambda m, x: m.a(x) if x.sum() > 0 else m.b(x).neg()), torch.rand(2, 8))


def threshold():
    """Another way is taken for large values only."""
    return made(Own(lambda m, x: m.a(x) if x.abs().max() < 20 else m.b(x)), torch.rand(2, 8))


def not_a_number():
    return made(Own(lambda m, x: torch.log(x)), torch.randn(2, 8), width=8)


def double():
    return made(nn.Linear(8, 3).double(), torch.rand(2, 8).double(), "float64")


def double_output():
    return made(Own(lambda m, x: m.a(x).double()), torch.rand(2, 8))


def dictionary():
    return made(Own(lambda m, x: {"out": m.a(x)}), torch.rand(2, 8))


def nothing():
    return made(Own(lambda m, x: (m.a(x), None)), torch.rand(2, 8))


def dropout():
    return made(Own(lambda m, x: F.dropout(m.a(x))), torch.rand(2, 8))


def small_dropout():
    """Seldom seen by two runs."""
    return made(Own(lambda m, x: m.a(F.dropout(x, 1e-9, True))), torch.rand(2, 8))


def batch_norm():
    return made(Own(lambda m, x: F.batch_norm(m.a(x), None, None, training=True)), torch.rand(2, 8))


def module_dropout():
    """In training mode as modules are made; exported as after eval()."""
    return made(nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.5)), torch.rand(2, 8))


def raises():
    return made(Own(lambda m, x: m.missing(x)), torch.rand(2, 8))


def no_manifest():
    return nn.Linear(8, 3), [torch.rand(2, 8)], None


def bad_word():
    module, inputs, manifest = made(nn.Linear(8, 3), torch.rand(2, 8))
    return module, inputs, {**manifest, "batch": "maybe"}


def fails():
    raise KeyError("weights.bin")


def plain():
    module, inputs, manifest = made(nn.Linear(8, 3), torch.rand(2, 8))
    return module, inputs, {**manifest, "batch": "independent"}
