"""Models that people hand to scripts/export-model, for its tests: NAME() is what `--function exports:NAME` asks for."""

import collections
import dataclasses
from typing import Dict, NamedTuple, Optional

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


def without_outputs(module, *inputs, names=("x",)):
    """The outputs are named by the model."""
    return module, list(inputs), {
        "name": "m", "inputs": [
            {"name": n, "dtype": str(t.dtype).removeprefix("torch."), "shape": ["N", *t.shape[1:]]} for n, t in zip(names, inputs)]}


def dictionary():
    return made(Own(lambda m, x: {"out": m.a(x)}), torch.rand(2, 8))


def two_keys(names):
    return made(Own(lambda m, x: {"out": m.a(x), "aux": m.b(x)}), torch.rand(2, 8), outputs=names)


def keys_in_another_order():
    module, inputs, manifest = two_keys(("aux", "out"))
    return module, inputs, manifest


def keys_half_right():
    return two_keys(("out", "more"))


def nested():
    """Blanks in a key, tuples within, and a list."""
    return without_outputs(
        Own(lambda m, x: {"the scores": m.a(x), "state": (m.b(x), x), "maps": [x, x + 1], "none": None}), torch.rand(2, 8))


def equal_keys():
    return without_outputs(Own(lambda m, x: ({"out": m.a(x)}, {"out": m.b(x)})), torch.rand(2, 8))


class Pair(NamedTuple):
    logits: torch.Tensor
    aux: Optional[torch.Tensor]


def named_tuple():
    return without_outputs(Own(lambda m, x: Pair(m.a(x), None)), torch.rand(2, 8))


@dataclasses.dataclass
class Result:
    scores: torch.Tensor
    hidden: Optional[torch.Tensor] = None


def dataclass():
    return without_outputs(Own(lambda m, x: Result(m.a(x), x)), torch.rand(2, 8))


def ordered_dictionary():
    return without_outputs(Own(lambda m, x: collections.OrderedDict(b=m.a(x), a=m.b(x))), torch.rand(2, 8))


class ScriptedDictionary(nn.Module):
    """A branch, so that the source is compiled; the dictionary is filled by and by."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> Dict[str, torch.Tensor]:
        found: Dict[str, torch.Tensor] = {}
        found["out"] = self.a(x) if bool(x.sum() > 0) else self.b(x).neg()
        found["aux"] = self.b(x)
        return found


def scripted_dictionary():
    return without_outputs(ScriptedDictionary(), torch.rand(2, 8))


def number():
    return without_outputs(Own(lambda m, x: {"y": m.a(x), "count": x.shape[0]}), torch.rand(2, 8))


def text():
    return without_outputs(Own(lambda m, x: (m.a(x), "done")), torch.rand(2, 8))


def sometimes():
    """None or not, as the input says."""
    return without_outputs(Own(lambda m, x: (m.a(x), m.b(x) if x.sum() > 0 else None)), torch.rand(2, 8))


def only_none():
    return without_outputs(Own(lambda m, x: None), torch.rand(2, 8))


def nothing():
    return made(Own(lambda m, x: (m.a(x), None)), torch.rand(2, 8))


class TwoArguments(nn.Module):
    def forward(self, left, right):
        return left - right


def two_arguments(*names):
    return without_outputs(TwoArguments(), torch.rand(2, 8), torch.rand(2, 8), names=names)


def other_order():
    return two_arguments("right", "left")


def half_right():
    return two_arguments("left", "other")


class Lengths(nn.Module):
    """Takes lengths from 1 to the sequence's own."""

    def __init__(self):
        super().__init__()
        self.e, self.g = nn.Embedding(50, 24), nn.GRU(24, 40, batch_first=True)

    def forward(self, ids, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(self.e(ids), lengths, batch_first=True, enforce_sorted=False)
        return self.g(packed)[1][0]


def lengths():
    module = Lengths()
    return without_outputs(module, torch.randint(0, 50, (3, 11)), torch.tensor([11, 4, 7]), names=("ids", "lengths"))


def large():
    """Inputs that are too large for the file, but for one item."""
    return without_outputs(Own(lambda m, x: m.a(x).sum(1)), torch.rand(3, 50_000, 8))


def huge():
    return without_outputs(Own(lambda m, x: m.a(x).sum(1)), torch.rand(2, 200_000, 8))


def constant_batch():
    """The batch's size is recorded as a number."""
    return without_outputs(Own(lambda m, x: m.a(x).view(int(x.shape[0]) * 3).view(-1, 3) + torch.zeros(len(x), 3)), torch.rand(2, 8))


class ConstantLength(nn.Module):
    def forward(self, x):
        return x.sum(1) / len(x[0])


def constant_length():
    return ConstantLength(), [torch.rand(2, 5)], {"name": "m", "inputs": [{"name": "x", "dtype": "float32", "shape": ["N", "T"]}]}


def two_batches():
    return without_outputs(TwoArguments(), torch.rand(2, 8), torch.rand(1, 8), names=("left", "right"))


def sparse_output():
    return without_outputs(Own(lambda m, x: m.a(x).to_sparse()), torch.rand(2, 8))


def complex_output():
    return without_outputs(Own(lambda m, x: torch.fft.fft(x)), torch.rand(2, 8))


def program():
    return torch.export.export(nn.Linear(8, 3), (torch.rand(2, 8),)), [torch.rand(2, 8)], {"name": "m", "inputs": []}


def script_module():
    return without_outputs(torch.jit.script(ScriptedDictionary().eval()), torch.rand(2, 8))


class Rounded(torch.autograd.Function):
    """Passes gradients straight through."""

    @staticmethod
    def forward(_, x):
        return x.round()

    @staticmethod
    def backward(_, gradient):
        return gradient


def own_gradient():
    return made(Own(lambda m, x: Rounded.apply(3 * m.a(x))), torch.randn(2, 8))


class Ignoring(nn.Module):
    def forward(self, x):
        return self.helped(x)

    @torch.jit.ignore
    def helped(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


def ignoring():
    return made(Ignoring(), torch.randn(2, 8), width=8)


def on_meta():
    return without_outputs(nn.Linear(8, 3, device="meta"), torch.rand(2, 8), names=("input",))


def on_a_gpu():
    """As it is reported on a machine without one."""
    return without_outputs(nn.Linear(8, 3).to("cuda"), torch.rand(2, 8), names=("input",))


def long_message():
    def raises(m, x):
        raise NotImplementedError("Could not run 'aten::empty.memory_format' with arguments from the 'CUDA' backend. This could be because " + "mobile " * 200)
    return without_outputs(Own(raises), torch.rand(2, 8))


def tensor_in_manifest():
    module, inputs, manifest = made(nn.Linear(8, 3), torch.rand(2, 8))
    return module, inputs, {**manifest, "labels": torch.zeros(3)}


def bad_shape():
    module, inputs, manifest = made(nn.Linear(8, 3), torch.rand(2, 8))
    return module, inputs, {**manifest, "inputs": [{"name": "x", "dtype": "float32", "shape": "N,8"}]}


def type_object():
    module, inputs, manifest = made(nn.Linear(8, 3), torch.rand(2, 8))
    return module, inputs, {**manifest, "inputs": [{"name": "x", "dtype": torch.float32, "shape": ["N", 8]}]}


def exits():
    raise SystemExit("the weights are missing")


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


class Stays(nn.Module):
    """As modules do that keep a part of theirs in training mode, and forget it."""

    def __init__(self):
        super().__init__()
        self.a, self.n = nn.Linear(8, 3), nn.BatchNorm1d(3)

    def train(self, mode=True):
        return super().train(True)

    def forward(self, x):
        return self.n(self.a(x))


def stays_in_training():
    return made(Stays(), torch.rand(2, 8))


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
