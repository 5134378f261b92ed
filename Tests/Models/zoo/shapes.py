"""Networks of our own that are no classifiers: picture to picture, volumes, graphs, tables, sets, several inputs and outputs."""

from typing import List, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from made import Made, lively, normal, pictures
import itertools


def block(width_in, width_out, kind=2):
    convolution, norm = {2: (nn.Conv2d, nn.BatchNorm2d), 3: (nn.Conv3d, nn.BatchNorm3d)}[kind]
    return nn.Sequential(convolution(width_in, width_out, 3, padding=1), norm(width_out), nn.ReLU(inplace=True))


class UNet(nn.Module):
    def __init__(self, kind=2, channels=3):
        super().__init__()
        self.pool = (nn.MaxPool2d, nn.MaxPool3d)[kind - 2](2)
        up = (nn.ConvTranspose2d, nn.ConvTranspose3d)[kind - 2]
        self.down = nn.ModuleList([block(channels, 12, kind), block(12, 24, kind), block(24, 48, kind)])
        self.rise = nn.ModuleList([up(48, 24, 2, 2), up(24, 12, 2, 2)])
        self.join = nn.ModuleList([block(48, 24, kind), block(24, 12, kind)])
        self.head = (nn.Conv2d, nn.Conv3d)[kind - 2](12, 4, 1)

    def forward(self, x):
        first = self.down[0](x)
        second = self.down[1](self.pool(first))
        h = self.down[2](self.pool(second))
        h = self.join[0](torch.cat([self.rise[0](h), second], 1))
        return self.head(self.join[1](torch.cat([self.rise[1](h), first], 1)))


def unet():
    return Made(lively(UNet(), pictures(64)), pictures(64))


def unet_of_volumes():
    return Made(lively(UNet(3, 1), normal(1, 16, 16, 16)), normal(1, 16, 16, 16))


class SlowFast(nn.Module):
    """Two pathways of one video, at two paces, with a link from the fast to the slow one."""

    def __init__(self):
        super().__init__()
        self.slow, self.fast = block(3, 24, 3), block(3, 8, 3)
        self.link = nn.Conv3d(8, 16, (5, 1, 1), (4, 1, 1), (2, 0, 0))
        self.slow_after, self.fast_after = block(40, 32, 3), block(8, 8, 3)
        self.head = nn.Linear(40, 15)

    def forward(self, video):
        slow, fast = self.slow(video[:, :, ::4]), self.fast(video)
        slow = self.slow_after(torch.cat([slow, self.link(fast)], 1))
        return self.head(torch.cat([slow.mean([2, 3, 4]), self.fast_after(fast).mean([2, 3, 4])], 1))


def slow_fast():
    return Made(lively(SlowFast(), normal(3, 16, 16, 16)), normal(3, 16, 16, 16), ("video",), ("actions",))


class Autoencoder(nn.Module):
    """A variational one in use: what it rebuilds, and where it lies."""

    def __init__(self, draws=False):
        super().__init__()
        self.draws = draws
        self.encode = nn.Sequential(nn.Conv2d(3, 16, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten())
        self.mean, self.spread = nn.Linear(2048, 16), nn.Linear(2048, 16)
        self.grow = nn.Linear(16, 2048)
        self.decode = nn.Sequential(nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh())

    def forward(self, image):
        h = self.encode(image)
        place = self.mean(h)
        z = place + torch.randn_like(place) * self.spread(h).exp() if self.draws else place
        return self.decode(self.grow(z).view(-1, 32, 8, 8)), place


def autoencoder(draws=False):
    return Made(Autoencoder(draws).eval(), pictures(32), ("image",), ("rebuilt", "place"))


class Sharper(nn.Module):
    """Four times the pixels, by a shuffle of channels, beside a plain enlargement."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 32, 5, padding=2), nn.Tanh(), nn.Conv2d(32, 24, 3, padding=1), nn.Tanh())
        self.last = nn.Conv2d(24, 12, 3, padding=1)

    def forward(self, image):
        return F.pixel_shuffle(self.last(self.body(image)), 2) + F.interpolate(image, scale_factor=2.0, mode="bicubic", align_corners=False)


def sharper():
    return Made(Sharper().eval(), pictures(32), ("image",), ("larger",))


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        widths, layers = [24, 48, 32, 16], []
        for before, after in itertools.pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, 1 if before == 24 else 2, 0 if before == 24 else 1), nn.BatchNorm2d(after), nn.ReLU(True)]
        self.body = nn.Sequential(*layers, nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        return self.body(z[:, :, None, None])


def generator():
    return Made(lively(Generator(), normal(24)), normal(24), ("z",), ("image",))


class Style(nn.Module):
    """A picture with the statistics of another."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.InstanceNorm2d(24, affine=True), nn.ReLU(), nn.Conv2d(24, 32, 3, padding=1))
        self.decode = nn.Sequential(nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), nn.Conv2d(32, 3, 3))

    def forward(self, content, style):
        a, b = self.encode(content), self.encode(style)
        dims = [2, 3]
        normed = (a - a.mean(dims, keepdim=True)) / (a.std(dims, keepdim=True) + 1e-5)
        return self.decode(normed * b.std(dims, keepdim=True) + b.mean(dims, keepdim=True))


def style():
    return Made(Style().eval(), lambda n: pictures(32)(n) + pictures(32)(n), ("content", "style"), ("image",))


class Straightened(nn.Module):
    """A spatial transformer: the network turns its own input before it looks."""

    def __init__(self):
        super().__init__()
        self.where = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.Conv2d(8, 8, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(200, 6))
        self.look = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 10))

    def forward(self, image):
        theta = self.where(image).view(-1, 2, 3) + torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        return self.look(F.grid_sample(image, F.affine_grid(theta, image.size(), align_corners=False), align_corners=False))


def straightened():
    return Made(Straightened().eval(), pictures(32), ("image",), ("digits",))


class Graph(nn.Module):
    """Graph convolutions: features of nodes, and who is beside whom."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 32), nn.Linear(32, 32), nn.Linear(32, 5)])

    def forward(self, nodes, edges):
        beside = edges + torch.eye(edges.size(1))
        scale = beside.sum(2).rsqrt()
        mixed = scale.unsqueeze(2) * beside * scale.unsqueeze(1)
        h = nodes
        for number, layer in enumerate(self.layers):
            h = layer(mixed @ h)
            if number < 2:
                h = torch.relu(h)
        return h


class Attending(nn.Module):
    """Graph attention: one's neighbours count as much as they fit."""

    def __init__(self):
        super().__init__()
        self.first, self.a, self.b = nn.Linear(8, 32), nn.Linear(8, 4), nn.Linear(8, 4)
        self.head = nn.Linear(32, 5)

    def forward(self, nodes, edges):
        h = self.first(nodes).view(nodes.size(0), -1, 4, 8)
        scores = F.leaky_relu(self.a(h).diagonal(dim1=2, dim2=3).unsqueeze(2) + self.b(h).diagonal(dim1=2, dim2=3).unsqueeze(1), 0.2)
        scores = scores.masked_fill((edges + torch.eye(edges.size(1)) == 0).unsqueeze(3), float("-inf"))
        return self.head(torch.einsum("nijh,njhd->nihd", torch.softmax(scores, 2), h).flatten(2))


def graph(attending=False):
    def batch(count):
        drawn = (torch.rand(count, 10, 10) < 0.3).float().triu(1)
        return [torch.randn(count, 10, 8), drawn + drawn.transpose(1, 2)]

    return Made((Attending() if attending else Graph()).eval(), batch, ("nodes", "edges"), ("classes",))


class Table(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(20, 64), nn.BatchNorm1d(64), nn.SELU(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.GELU(), nn.Linear(64, 32), nn.Mish(),
            nn.Linear(32, 3))

    def forward(self, features):
        return self.body(features)


def table():
    return Made(lively(Table(), normal(20)), normal(20), ("features",), ("targets",))


class Clicks(nn.Module):
    """Numbers and categories of a visit: embeddings, products of all pairs, and a wide part beside the deep one."""

    def __init__(self):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, 12) for size in (50, 20, 100))
        self.bottom = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 12))
        self.top = nn.Sequential(nn.Linear(22, 32), nn.ReLU(), nn.Linear(32, 1))
        self.wide = nn.Linear(6, 1)

    def forward(self, numbers, categories):
        parts = [self.bottom(numbers)] + [table(categories[:, column]) for column, table in enumerate(self.tables)]
        stacked = torch.stack(parts, 1)
        rows, columns = torch.triu_indices(4, 4, 0)
        products = torch.bmm(stacked, stacked.transpose(1, 2))[:, rows, columns]
        return (self.top(torch.cat([parts[0], products], 1)) / 3 + self.wide(numbers)).squeeze(1), torch.cat(parts, 1)


def clicks():
    batch = lambda n: [torch.randn(n, 6), torch.stack([torch.randint(0, size, (n,)) for size in (50, 20, 100)], 1)]  # noqa: E731
    return Made(Clicks().eval(), batch, ("numbers", "categories"), ("score", "parts"))


class Points(nn.Module):
    """A cloud of points: the same layers for each, the largest of all, and a turn that the cloud itself decides."""

    def __init__(self):
        super().__init__()
        self.turn = nn.Sequential(nn.Conv1d(3, 24, 1), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(24, 9))
        self.body = nn.Sequential(nn.Conv1d(3, 32, 1), nn.BatchNorm1d(32), nn.ReLU(), nn.Conv1d(32, 64, 1), nn.BatchNorm1d(64), nn.ReLU())
        self.head = nn.Linear(64, 12)

    def forward(self, points):
        x = points.transpose(1, 2)
        x = torch.bmm(self.turn(x).view(-1, 3, 3) + torch.eye(3), x)
        return self.head(self.body(x).amax(2))


def points():
    return Made(lively(Points(), normal(60, 3)), normal(60, 3), ("points",), ("kinds",))


class Scene(nn.Module):
    """Colour and density along rays, from waves of the places."""

    def __init__(self):
        super().__init__()
        self.register_buffer("waves", 2.0 ** torch.arange(6))
        self.first, self.second = nn.Sequential(nn.Linear(39, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()), nn.Linear(103, 4)

    def forward(self, places):
        angles = (places.unsqueeze(-1) * self.waves).flatten(2)
        known = torch.cat([places, angles.sin(), angles.cos()], 2)
        found = self.second(torch.cat([self.first(known), known], 2)) * 2
        light = 1 - torch.exp(-F.softplus(3 * found[..., 3]) * 0.05)
        left = torch.cumprod(torch.cat([torch.ones_like(light[:, :1]), 1 - light[:, :-1]], 1), 1)
        return ((light * left).unsqueeze(2) * torch.sigmoid(found[..., :3])).sum(1), (light * left).sum(1)


def scene():
    return Made(Scene().eval(), normal(24, 3), ("places",), ("colour", "light"))


class Best(nn.Module):
    """The best of a list with their numbers: whole numbers and flags among the outputs."""

    def __init__(self):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 40))

    def forward(self, query: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        values, places = torch.topk(self.score(query), 5)
        return values, places, values > values.mean(1, keepdim=True)


def best():
    return Made(Best().eval(), lambda n: [2 * torch.randn(n, 10)], ("query",), ("values", "places", "above"))


class Twins(nn.Module):
    """Two pictures through the same weights, and how far apart they are."""

    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(block(3, 16), nn.MaxPool2d(2), block(16, 32), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 24))

    def forward(self, left, right):
        a, b = F.normalize(self.tower(left), dim=1), F.normalize(self.tower(right), dim=1)
        return F.pairwise_distance(a, b), a, b


def twins():
    batch = lambda n: pictures(32)(n) + pictures(32)(n)  # noqa: E731
    return Made(lively(Twins(), batch), batch, ("left", "right"), ("distance", "left_place", "right_place"))


class Solver(nn.Module):
    """Ridge regression inside a network, by a linear system for each item."""

    def __init__(self):
        super().__init__()
        self.features = nn.Linear(6, 8)

    def forward(self, seen, wanted, asked):
        a, b = torch.tanh(self.features(seen)), torch.tanh(self.features(asked))
        weights = torch.linalg.solve(a.transpose(1, 2) @ a + 0.5 * torch.eye(8), a.transpose(1, 2) @ wanted.unsqueeze(2))
        return (b @ weights).squeeze(2)


def solver():
    batch = lambda n: [torch.randn(n, 12, 6), torch.randn(n, 12), torch.randn(n, 5, 6)]  # noqa: E731
    return Made(Solver().eval(), batch, ("seen", "wanted", "asked"), ("found",))


class Spectral(nn.Module):
    """Mixes by Fourier transforms: complex numbers between the layers."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(2, 16, 9, 2) / 3)
        self.lift, self.mixes, self.head = nn.Linear(1, 16), nn.ModuleList([nn.Conv1d(16, 16, 1), nn.Conv1d(16, 16, 1)]), nn.Linear(16, 1)

    def forward(self, signal):
        h = self.lift(signal.unsqueeze(2)).transpose(1, 2)
        for number, mix in enumerate(self.mixes):
            low = torch.fft.rfft(h)[..., :9] * torch.view_as_complex(self.weights[number])
            h = F.gelu(torch.fft.irfft(low, n=32) + mix(h))
        return self.head(h.transpose(1, 2)).squeeze(2)


def spectral():
    return Made(Spectral().eval(), normal(32), ("signal",), ("solution",))


class Flow(nn.Module):
    """An ordinary differential equation, by a fixed number of steps: compiled with its loop."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 8))

    def forward(self, start: Tensor) -> Tuple[Tensor, List[Tensor]]:
        seen: List[Tensor] = []
        h = start
        for step in range(12):
            half = h + 0.1 * self.slope(h)
            h = h + 0.2 * self.slope(half)
            if step % 6 == 5:
                seen.append(h)
        return h, [seen[0], seen[1]]


def flow():
    return Made(Flow().eval(), normal(8), ("start",), ("end", "halfway", "last"))
