"""Networks of our own whose numbers or ways are unusual: quantized, half precision, experts, what cannot be carried."""

import warnings
from typing import Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from made import Made, lively, normal, pictures, words


def quietly(function, *arguments, **options):
    # PyTorch says on each call that its quantization moves to another package.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def perceptron():
    return nn.Sequential(nn.Linear(24, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 8))


def dynamic_linear():
    """Weights of eight bits; activations are quantized as they come, with one scale for the whole batch."""
    return Made(quietly(torch.ao.quantization.quantize_dynamic, perceptron().eval(), {nn.Linear}, torch.qint8), normal(24))


class LastState(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers, self.head = nn.LSTM(12, 32, batch_first=True), nn.Linear(32, 6)

    def forward(self, x):
        return 3 * self.head(self.layers(x)[0][:, -1])


def dynamic_lstm():
    return Made(quietly(torch.ao.quantization.quantize_dynamic, LastState().eval(), {nn.LSTM, nn.Linear}, torch.qint8), normal(9, 12))


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, 3, 1, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))

    def forward(self, x):
        return self.dequant(self.body(self.quant(x)))


def static_convolutions():
    """Weights and activations of eight bits, with scales that were measured before."""
    module = lively(Convolutions(), pictures(32))
    quantization = torch.ao.quantization
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.fuse_modules(module.body, [["0", "1", "2"], ["3", "4", "5"], ["6", "7", "8"]], inplace=True)
        module.qconfig = quantization.get_default_qconfig("x86")
        quantization.prepare(module, inplace=True)
        with torch.no_grad():
            module(*pictures(32)(16))
        quantization.convert(module, inplace=True)
    return Made(module, pictures(32))


class Converted(nn.Module):
    """float32 outside, another type inside: as networks with halved weights are usually wrapped."""

    def __init__(self, body, dtype):
        super().__init__()
        self.body, self.dtype = body.to(dtype), dtype

    def forward(self, x):
        return self.body(x.to(self.dtype)).float()


def small_cnn():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 32, 3, 1, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def converted_cnn(dtype):
    return Made(Converted(lively(small_cnn(), pictures(32)), getattr(torch, dtype)).eval(), pictures(32))


def encoder():
    layer = nn.TransformerEncoderLayer(48, 4, 96, batch_first=True)
    return nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)


def converted_encoder(dtype):
    return Made(Converted(encoder(), getattr(torch, dtype)).eval(), normal(10, 48))


def whole_type(dtype):
    """The type of inputs and outputs too."""
    return Made(perceptron().to(getattr(torch, dtype)).eval(), lambda n: [torch.randn(n, 24).to(getattr(torch, dtype))])


class Experts(nn.Module):
    """All experts compute, and a gate weighs them."""

    def __init__(self, count=4):
        super().__init__()
        self.gate = nn.Linear(16, count)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(16, 48), nn.GELU(), nn.Linear(48, 16)) for _ in range(count))

    def forward(self, x):
        shares = torch.softmax(3 * self.gate(x), 1)
        return torch.stack([expert(x) for expert in self.experts], 2).mul(shares.unsqueeze(1)).sum(2) + x


class ChosenWeights(nn.Module):
    """Each item takes the weights of its two best experts, by their index."""

    def __init__(self, count=6):
        super().__init__()
        self.gate = nn.Linear(16, count)
        self.rise, self.fall = nn.Parameter(torch.randn(count, 16, 32) / 4), nn.Parameter(torch.randn(count, 32, 16) / 5)

    def forward(self, x):
        shares, places = torch.topk(torch.softmax(self.gate(x), 1), 2)
        h = torch.relu(torch.einsum("nd,nkdh->nkh", x, self.rise[places]))
        return (torch.einsum("nkh,nkhd->nkd", h, self.fall[places]) * shares.unsqueeze(2)).sum(1)


class Routed(nn.Module):
    """Each expert gets the items that chose it: as many as there are."""

    def __init__(self, count=4):
        super().__init__()
        self.gate = nn.Linear(16, count)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(16, 48), nn.GELU(), nn.Linear(48, 16)) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.gate(x).argmax(1)
        y = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows = torch.nonzero(chosen == number)[:, 0]
            y = y.index_add(0, rows, expert(x[rows]))
        return x + y


def experts(kind):
    kinds: dict[str, type[nn.Module]] = {"dense": Experts, "weights": ChosenWeights, "routed": Routed}
    return Made(kinds[kind]().eval(), normal(16))


class Decoded(nn.Module):
    """Words one after another, each the best after those before: a loop of the network's own."""

    def __init__(self):
        super().__init__()
        self.words, self.cell, self.head = nn.Embedding(60, 24), nn.GRUCell(24, 24), nn.Linear(24, 60)

    def forward(self, context: Tensor) -> Tuple[Tensor, Tensor]:
        state = torch.tanh(context)
        word = torch.zeros(context.size(0), dtype=torch.int64)
        found = torch.zeros(context.size(0), 8, dtype=torch.int64)
        for step in range(8):
            state = self.cell(self.words(word), state)
            word = self.head(state).argmax(1)
            found[:, step] = word
        return found, state


def decoded():
    return Made(Decoded().eval(), normal(24), ("context",), ("words", "state"))


class Bags(nn.Module):
    """Words without order, and two views of them together."""

    def __init__(self):
        super().__init__()
        self.bag, self.words = nn.EmbeddingBag(80, 24, mode="mean"), nn.Embedding(80, 24)
        self.mix, self.head = nn.Bilinear(24, 24, 16), nn.Linear(16, 5)

    def forward(self, ids):
        return self.head(torch.tanh(self.mix(self.bag(ids), self.words(ids).amax(1))))


def bags():
    return Made(Bags().eval(), words(9, 80), ("ids",), ("topics",))


class Pixels(nn.Module):
    """Bytes in, a map of whole numbers out."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 6, 3, padding=1))

    def forward(self, image):
        return self.body(image.permute(0, 3, 1, 2).float() / 64 - 2).argmax(1).to(torch.uint8)


def pixels():
    return Made(Pixels().eval(), lambda n: [torch.randint(0, 256, (n, 24, 24, 3), dtype=torch.uint8)], ("image",), ("classes",))


class Counting(nn.Module):
    """Keeps something from run to run."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 3)
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
        return self.head(x - self.mean)


def counting():
    return Made(Counting().eval(), normal(8))


class Contrast(nn.Module):
    """Each item's share among all items of the batch: may not be cut."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 24))

    def forward(self, x):
        h = F.normalize(self.body(x), dim=1)
        return torch.softmax(h @ h.t() * 3, 1) @ h


def contrast():
    return Made(Contrast().eval(), normal(16))
