"""Networks of our own for sound, sequences and time series."""

from typing import Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from made import Made, lively, normal


class Separator(nn.Module):
    """Conv-TasNet in small: an encoder of the wave, dilated convolutions, masks, and the wave of each speaker."""

    def __init__(self, width=48, speakers=2):
        super().__init__()
        self.speakers, self.width = speakers, width
        self.encoder = nn.Conv1d(1, width, 16, 8, bias=False)
        self.norm = nn.GroupNorm(1, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, 64, 1), nn.PReLU(), nn.GroupNorm(1, 64), nn.Conv1d(64, 64, 3, padding=d, dilation=d, groups=64), nn.PReLU(),
                nn.GroupNorm(1, 64), nn.Conv1d(64, width, 1)) for d in (1, 2, 4, 8))
        self.mask = nn.Conv1d(width, speakers * width, 1)
        self.decoder = nn.ConvTranspose1d(width, 1, 16, 8, bias=False)

    def forward(self, wave):
        mixed = self.encoder(wave.unsqueeze(1))
        h = self.norm(mixed)
        for block in self.blocks:
            h = h + block(h)
        masks = torch.sigmoid(self.mask(h)).view(wave.size(0), self.speakers, self.width, -1)
        parts = (masks * mixed.unsqueeze(1)).flatten(0, 1)
        return self.decoder(parts).view(wave.size(0), self.speakers, -1)


def separator():
    return Made(Separator().eval(), normal(800), ("wave",), ("speakers",))


class XVector(nn.Module):
    """A time-delay network with pooled statistics: an embedding of the speaker."""

    def __init__(self):
        super().__init__()
        layers, width = [], 24
        for after, kernel, dilation in ((64, 5, 1), (64, 3, 2), (64, 3, 3), (96, 1, 1)):
            layers += [nn.Conv1d(width, after, kernel, dilation=dilation), nn.ReLU(), nn.BatchNorm1d(after)]
            width = after
        self.frames = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(2 * width, 64), nn.ReLU(), nn.BatchNorm1d(64), nn.Linear(64, 20))

    def forward(self, features):
        h = self.frames(features)
        return self.head(torch.cat([h.mean(2), h.std(2)], 1))


def xvector():
    return Made(lively(XVector(), normal(24, 60)), normal(24, 60), ("features",), ("speaker",))


class Keywords(nn.Module):
    """From the wave by a short-time Fourier transform to keywords."""

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(128))
        self.register_buffer("mel", torch.rand(65, 24) / 8)
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32),
            nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(32, 12)

    def forward(self, wave):
        spectrum = torch.stft(wave, 128, 64, window=self.window, return_complex=True)
        mel = torch.log(spectrum.abs().square().transpose(1, 2) @ self.mel + 1e-4)
        return self.head(self.features(mel.unsqueeze(1)).flatten(1))


def keywords():
    return Made(lively(Keywords(), normal(1600)), normal(1600), ("wave",), ("keywords",))


class Recurrent(nn.Module):
    """Layers of `kind` over the sequence, and a head on the last step."""

    def __init__(self, kind, **options):
        super().__init__()
        self.layers = kind(12, 24, num_layers=2, batch_first=True, **options)
        self.head = nn.Linear(24 * (2 if options.get("bidirectional") else 1), 6)

    def forward(self, x):
        return 3 * self.head(self.layers(x)[0][:, -1])


def recurrent(kind, **options):
    return Made(Recurrent(getattr(nn, kind), **options).eval(), normal(15, 12))


class Packed(nn.Module):
    """Sentences of several lengths, packed."""

    def __init__(self):
        super().__init__()
        self.layers = nn.LSTM(12, 24, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, 6)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        states = self.layers(packed)[1][0]
        return 3 * self.head(torch.cat([states[0], states[1]], 1))


def packed():
    return Made(Packed().eval(), lambda n: [torch.randn(n, 9, 12), torch.randint(3, 10, (n,))], ("x", "lengths"), ("y",))


class Streaming(nn.Module):
    """One step of a recognizer: the state comes in and goes out, with the batch in the second dimension as PyTorch has it."""

    def __init__(self):
        super().__init__()
        self.layers = nn.LSTM(12, 24, num_layers=2, batch_first=True)
        self.head = nn.Linear(24, 6)

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        states, (hidden, cell) = self.layers(x, (hidden, cell))
        return self.head(states), hidden, cell


def streaming():
    batch = lambda n: [torch.randn(n, 4, 12), torch.randn(2, n, 24), torch.randn(2, n, 24)]  # noqa: E731
    return Made(Streaming().eval(), batch, ("x", "hidden", "cell"), ("scores", "hidden_after", "cell_after"))


class TimeFirst(nn.Module):
    """Recurrent layers as PyTorch makes them by default: time first, the batch in the second dimension."""

    def __init__(self):
        super().__init__()
        self.layers = nn.GRU(12, 24)
        self.head = nn.Linear(24, 6)

    def forward(self, x):
        return self.head(self.layers(x)[0])


def time_first():
    return Made(TimeFirst().eval(), lambda n: [torch.randn(10, n, 12)])


class Speech(nn.Module):
    """Convolutions over time and frequency, then recurrent layers, then letters for each step."""

    def __init__(self):
        super().__init__()
        self.front = nn.Sequential(
            nn.Conv2d(1, 16, (5, 5), (2, 2), 2), nn.BatchNorm2d(16), nn.Hardtanh(0, 20), nn.Conv2d(16, 16, 3, (2, 1), 1), nn.BatchNorm2d(16),
            nn.Hardtanh(0, 20))
        self.layers = nn.GRU(128, 48, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(96, 29)

    def forward(self, spectrogram):
        h = self.front(spectrogram.unsqueeze(1)).permute(0, 3, 1, 2).flatten(2)
        return F.log_softmax(self.head(self.layers(h)[0]), 2)


def speech():
    return Made(lively(Speech(), normal(32, 40)), normal(32, 40), ("spectrogram",), ("letters",))


class Causal(nn.Module):
    """A temporal convolutional network with weight norm: a forecast."""

    def __init__(self, width=32):
        super().__init__()
        norm = nn.utils.parametrizations.weight_norm
        self.blocks = nn.ModuleList(norm(nn.Conv1d(5 if d == 1 else width, width, 3, dilation=d)) for d in (1, 2, 4, 8))
        self.head = nn.Linear(width, 7)

    def forward(self, series):
        h = series
        for depth, block in enumerate(self.blocks):
            after = torch.relu(block(F.pad(h, (2 << depth, 0))))
            h = after + h if depth else after
        return self.head(h[:, :, -1])


def causal():
    return Made(Causal().eval(), normal(5, 40), ("series",), ("forecast",))


class Waves(nn.Module):
    """Gated dilated convolutions with sums of all skips."""

    def __init__(self, width=24):
        super().__init__()
        self.first = nn.Conv1d(1, width, 1)
        self.gates = nn.ModuleList(nn.Conv1d(width, 2 * width, 2, dilation=2**d) for d in range(6))
        self.mixes = nn.ModuleList(nn.Conv1d(width, 2 * width, 1) for _ in range(6))
        self.last = nn.Sequential(nn.ReLU(), nn.Conv1d(width, 32, 1), nn.ReLU(), nn.Conv1d(32, 64, 1))

    def forward(self, wave):
        h = self.first(wave.unsqueeze(1))
        skips = torch.zeros(1)
        for depth, (gate, mix) in enumerate(zip(self.gates, self.mixes)):
            a, b = gate(F.pad(h, (2**depth, 0))).chunk(2, 1)
            residual, skip = mix(torch.tanh(a) * torch.sigmoid(b)).chunk(2, 1)
            h, skips = h + residual, skips + skip
        return self.last(skips)


def waves():
    return Made(Waves().eval(), normal(300), ("wave",), ("levels",))
