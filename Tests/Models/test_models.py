"""Small models for the tests, each with its manifest and reference results.

Every model is a few hundred kilobytes, runs in milliseconds, and gives outputs of order one that differ between inputs. For each,
NAME.json holds inputs and the outputs that Python's eager module computed for them, at batch 1 and 3.
"""

import json
import math
import os
import pathlib
import sys
from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "export"))
import archive
from structure import flat


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True),
            nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True),
            nn.Conv2d(16, 32, 1, bias=False), nn.BatchNorm2d(32), nn.SiLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 48, 3, padding=1), nn.BatchNorm2d(48), nn.Hardswish(),
        )
        self.head = nn.Linear(48, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image).mean([2, 3]))


class ScriptedCnn(Cnn):
    """Asks for its input's size, branches, and views by a computed shape."""

    def forward(self, image: Tensor) -> Tensor:
        x = self.features(image)
        n, c, h, w = x.shape
        x = x.view(n, c, h * w)
        if h * w > 4:
            x = x.mean(2)
        else:
            x = x[:, :, 0]
        return self.head(x)


class Block(nn.Module):
    def __init__(self, width_in, width_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width_out)
        self.relu = nn.ReLU(inplace=True)
        self.down = None
        if stride != 1 or width_in != width_out:
            self.down = nn.Sequential(nn.Conv2d(width_in, width_out, 1, stride=stride, bias=False), nn.BatchNorm2d(width_out))

    def forward(self, x):
        identity = x if self.down is None else self.down(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(Block(16, 16, 1), Block(16, 32, 2), Block(32, 32, 1))
        self.head = nn.Linear(32, 10)

    def forward(self, image):
        x = self.blocks(self.stem(image))
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class ShuffleUnit(nn.Module):
    def __init__(self, width):
        super().__init__()
        half = width // 2
        self.branch = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False), nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        kept, worked = x.chunk(2, dim=1)
        x = torch.cat([kept, self.branch(worked)], dim=1)
        n, c, h, w = x.size()
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, stride=2, padding=1)
        self.units = nn.Sequential(ShuffleUnit(24), ShuffleUnit(24))
        self.head = nn.Linear(24, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.units(self.stem(image)).mean([2, 3]))


class TensorLists(nn.Module):
    """Lists of tensors that are split, appended to and joined again."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(24, 24)
        self.second = nn.Linear(8, 8)
        self.head = nn.Linear(24, 6)

    def forward(self, x: Tensor) -> Tuple[Tensor, List[Tensor]]:
        x = torch.tanh(self.first(x))
        parts = torch.split(x, 8, dim=1)
        worked: List[Tensor] = []
        for part in parts:
            worked.append(torch.relu(self.second(part)) + part)
        joined = torch.cat(worked, dim=1)
        scale = 1.0 / math.sqrt(float(x.size(1)))
        return self.head(joined) * scale, [joined, x + 1.0]


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.size()
        depth = width // self.heads
        q, k, v = self.qkv(x).split(width, dim=2)
        q = q.view(batch, length, self.heads, depth).transpose(1, 2)
        k = k.view(batch, length, self.heads, depth).transpose(1, 2)
        v = v.view(batch, length, self.heads, depth).transpose(1, 2)
        scores = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(depth), dim=-1)
        joined = (scores @ v).transpose(1, 2).contiguous().view(batch, length, width)
        return self.out(joined)


class Encoder(nn.Module):
    def __init__(self, width=32, heads=4):
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.grow = nn.Linear(width, 4 * width)
        self.shrink = nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.shrink(F.gelu(self.grow(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, words=200, length=16, width=32):
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Embedding(length, width)
        self.layers = nn.Sequential(Encoder(), Encoder(), Encoder())
        self.head = nn.Linear(width, 12)

    def forward(self, ids):
        places = torch.arange(ids.size(1))
        return self.head(self.layers(self.words(ids) + self.places(places)).mean(1))


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(12, 16)
        self.right = nn.Linear(6, 16)
        self.score = nn.Linear(32, 5)
        self.mix = nn.Linear(6, 16)

    def forward(self, features, context):
        a = torch.tanh(self.left(features))
        b = torch.tanh(self.right(context))
        both = torch.cat([a, b], dim=1)
        # The second input is needed again at the very end.
        return self.score(both), torch.sigmoid(a * b + self.mix(context))


class Loop(nn.Module):
    """How often the loop runs stands in the data."""

    def __init__(self):
        super().__init__()
        self.step = nn.Linear(16, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, state: Tensor, rounds: Tensor) -> Tensor:
        state = torch.tanh(state)
        for i in range(int(rounds.max())):
            running = (rounds > i).unsqueeze(1)
            state = torch.where(running, torch.tanh(self.step(state)) + 0.1 * state, state)
        return self.head(state)


class Slow(nn.Module):
    """A product of matrices for each round; a round takes about 10 microseconds, the input says how many."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(64, 64))[0])
        self.head = nn.Linear(64, 4)

    def forward(self, state: Tensor, rounds: Tensor) -> Tensor:
        for i in range(int(rounds.max())):
            running = (rounds > i).unsqueeze(1)
            state = torch.where(running, state @ self.weight, state)
        return self.head(state)


class BatchMean(nn.Module):
    """Items of a batch depend on each other: it must not be split."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 20)
        self.head = nn.Linear(20, 4)

    def forward(self, x):
        x = torch.relu(self.first(x))
        return self.head(x - x.mean(0, keepdim=True))


class SequenceFirst(nn.Module):
    """Time first, batch second, as recurrent networks have it."""

    def __init__(self):
        super().__init__()
        self.grow = nn.Linear(8, 32)
        self.cell = nn.GRU(32, 24)
        self.head = nn.Linear(24, 5)

    def forward(self, sequence):
        x = torch.tanh(self.grow(sequence))
        x, _ = self.cell(x)
        return self.head(x)


class InPlace(nn.Module):
    """Writes to its input, to views, and to tensors that are used again."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(12, 12)
        self.head = nn.Linear(12, 6)

    def forward(self, x):
        x.mul_(0.5)
        y = self.first(x)
        kept = y[:, :6]
        y.add_(x)
        z = torch.sin(y)
        z[:, 3:].mul_(2.0)
        kept.clamp_(min=-0.25)
        y.relu_()
        z += y
        return self.head(z) + kept


class WithBlocks(nn.Module):
    """Blocks whose beginning and end are methods of objects."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            mean = x.mean(1, keepdim=True)
        with torch.autograd.profiler.record_function("first"):
            y = torch.relu(self.first(x - mean))
        with torch.autocast("cpu", enabled=False):
            y = torch.tanh(self.second(y))
        return self.head(y)


class Picky(nn.Module):
    """Refuses an input whose first value is negative."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(x))
        if bool((x[:, 0] < 0).any()):
            raise ValueError("the first value of an item is negative")
        return self.head(y)


class Pixels(nn.Module):
    """Bytes as they are in a picture; everything behind runs channels-last in memory."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(),
            nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6(),
            nn.Conv2d(16, 24, 1, bias=False), nn.BatchNorm2d(24),
        )
        self.head = nn.Linear(24, 10)

    def forward(self, pixels):
        x = (pixels.permute(0, 3, 1, 2).float() - 127.5) / 64.0
        return torch.softmax(self.head(self.features(x).mean([2, 3])), dim=1)


class Types(nn.Module):
    """Every element type in and out."""

    def forward(self, half, bytes, short, long, flags):
        scaled = half * 2
        grown = bytes + 1
        summed = short + grown.int()
        chosen = torch.where(flags, long, summed.long())
        return scaled, grown, summed, chosen, ~flags, chosen.float() * 0.5


class Views(nn.Module):
    """What is read at the end are parts of larger blocks: half of a product, a window, one turned and cut, every third column."""

    def __init__(self):
        super().__init__()
        self.gates, self.grid, self.head = nn.Linear(16, 66), nn.Linear(16, 96), nn.Linear(33, 5)
        self.window, self.turned, self.third = nn.Linear(28, 5), nn.Linear(40, 5), nn.Linear(22, 5)
        self.middle = nn.ModuleList([nn.Linear(33, 33) for _ in range(4)])

    def forward(self, x):
        both = self.gates(x)
        a, gate = both.chunk(2, -1)
        grid = self.grid(x).view(-1, 8, 12)
        window, turned, third = grid[:, 2:6, 3:10], grid.transpose(1, 2)[:, 1:9, :5], both[:, ::3]
        for layer in self.middle:
            a = torch.tanh(layer(a))
        y = self.head(a * nn.functional.gelu(gate))
        y = y + self.window(nn.functional.gelu(window).flatten(1))
        y = y + self.turned(nn.functional.silu(turned).flatten(1))
        return y + self.third(nn.functional.gelu(third))


class Layers(nn.Module):
    """Two layers, and between them what `mix` does with the batch."""

    def __init__(self, mix, width=10):
        super().__init__()
        self.first, self.head = nn.Linear(width, 20), nn.Linear(20, 4)
        self.mix = mix

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mix(torch.tanh(self.first(x)), x))


class Between(nn.Module):
    """A module for `Layers`: h is the hidden layer, x the input."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return h


class BatchMaximum(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return h / h.abs().max()


@torch.jit.script
class Largest:
    """What a model may keep in an object of its own."""

    def __init__(self, x: Tensor):
        self.value = x.max()


class HeldThreshold(Between):
    """As `BatchThreshold`; the maximum is carried by an object."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        largest = Largest(x)
        if bool(largest.value > 50):
            h = -h
        return h


class BatchThreshold(Between):
    """Something happens only where one item of the batch is large: no sample in [0, 1) shows it."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return torch.where(x.max() > 50, -h, h)


class LateThreshold(Between):
    """Beyond every scale that samples have."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return h + torch.relu(x.abs().sum() - 1e30)


class BatchStatistics(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return (h - h.mean(0)) / (h.std(0, unbiased=False) + 1e-5)


class BatchQuantile(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return torch.minimum(h, torch.quantile(h, 0.9))


class BatchRanks(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return h + h.argsort(0).argsort(0).to(h.dtype)


class Neighbour(Between):
    """Each item sees the one before it."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return h + torch.roll(h, 1, 0)


class FaintNeighbour(Between):
    """Far below what a comparison with a tolerance forgives."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return h + 1e-6 * torch.roll(h, 1, 0)


class FirstAndLast(Between):
    """Only between the batch's ends."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return torch.cat([h[:-1], h[-1:] + h[:1]])


class BatchSoftmax(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return torch.softmax(h, 0)


class BatchAttention(Between):
    """Items attend to each other."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return torch.softmax(h @ h.t(), -1) @ h


class Counted(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return h * float((x > 100).sum())


class WhileUnsure(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        rounds = 0
        while bool((h.abs() > 0.9).any()) and rounds < 9:
            h = h * 0.9
            rounds += 1
        return h


class ChosenRows(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return h - h[h[:, 0] > 0].sum(0)


class PositiveRows(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return h - torch.masked_select(h, h > 0).sum()


class Experts(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        chosen = torch.nonzero(h[:, 0] > 0).flatten()
        return h.index_add(0, chosen, torch.sin(h[chosen]))


class Crowd(Between):
    """Large batches are treated otherwise than small ones."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        if h.size(0) >= 64:
            h = h - h.mean(0)
        return h


class LongOnes(nn.Module):
    """Long sequences are treated together; those that are made up are short."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(5, 10), nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.first(x))
        if x.size(1) > 40:
            h = h - h.mean([0, 1])
        return self.head(h.mean(1))


class ItemByItem(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        rows: List[Tensor] = []
        for i in range(h.size(0)):
            rows.append(torch.sin(h[i]))
        return torch.stack(rows)


class TrainingBatchNorm(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return F.batch_norm(h, None, None, training=True)


class TrainingDropout(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return F.dropout(h, 0.1, True)


class Noise(Between):
    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return h + 1e-9 * torch.randn_like(h)


class WrittenMask(Between):
    """What the whole batch decides gets to the result by way of a write."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        mask = torch.zeros(20)
        mask[3:] = (x.amax() > 1e6).to(mask.dtype)
        return h + mask


class WrittenBranch(Between):
    """What decides a branch gets there by way of a write to a view."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        firsts = torch.zeros(x.size(0))
        firsts[:] = x[:, 0]
        if bool((firsts > 3e20).any()):
            return -h
        return h


class EarlyExit(nn.Module):
    """Sure of all items, it leaves early."""

    def __init__(self):
        super().__init__()
        self.a, self.first, self.b, self.last = nn.Linear(8, 32), nn.Linear(32, 4), nn.Linear(32, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.a(x))
        early = self.first(h)
        if bool((torch.softmax(early, -1).max(-1)[0] > 0.55).all()):
            return early
        return self.last(torch.relu(self.b(h)))


class IdsTogether(nn.Module):
    """Numbers of words; what one of them does to the others shows only beyond the ones that every vocabulary has."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(60, 16)
        self.head = nn.Linear(16, 3)

    def forward(self, ids):
        h = self.words(ids).mean(1)
        return self.head(torch.where((ids > 50).any(), -h, h))


class Packed(nn.Module):
    """The sum of all lengths decides a size."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRU(6, 8, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths + 1, batch_first=True, enforce_sorted=False)
        return self.cell(packed)[1][0]


class Recurrent(nn.Module):
    """Compiled from source: the recurrent layers bring branches on ranks, and checks that raise."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.GRU(6, 12, batch_first=True), nn.LSTM(12, 8, batch_first=True, bidirectional=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)[0]
        return self.head(self.second(h)[0][:, -1])


class Steps(nn.Module):
    """A loop over time, its state handed on, and a branch on the length."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(5, 10)
        self.head = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = torch.zeros(x.size(0), 10)
        outputs: List[Tensor] = []
        for t in range(x.size(1)):
            state = self.cell(x[:, t], state)
            if t % 2 == 0:
                outputs.append(state)
        assert x.dim() == 3, "three dimensions"
        if x.size(1) > 100:
            return self.head(state)
        return self.head(torch.stack(outputs, 1).mean(1))


class AttentionLayer(nn.Module):
    """PyTorch's own layer, with its fast path."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[:, 0])


class ExpertsByIndex(Between):
    """Each item takes weights of its own, by an index that its content gives: sizes stay."""

    def __init__(self):
        super().__init__()
        self.experts = nn.Parameter(torch.randn(4, 20))

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return h * self.experts[h[:, :4].argmax(1)]


class TokenOfInterest(nn.Module):
    """One place of each item's sequence, found by its content, as text encoders do."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(90, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, ids):
        h = torch.tanh(self.words(ids))
        return self.head(h[torch.arange(ids.size(0)), ids.argmax(-1)])


class Masked(Between):
    """Writes where a mask says, and takes a type and a shape from the input."""

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        offset = torch.linspace(-1, 1, 20).type_as(x).expand_as(h)
        h = h + offset
        h[h < -0.5] = 0.25
        return h.masked_fill(h > 0.75, 0.75)


class FreeLength(nn.Module):
    """Any number of readings for each item, none included."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(1, 4)

    def forward(self, readings):
        doubled = torch.tanh(readings) * 2.0
        return self.head(doubled.sum(1, keepdim=True)), doubled


class Finder(nn.Module):
    """As many rows as are found in all items of a batch together: often none."""

    def __init__(self):
        super().__init__()
        self.grow = nn.Linear(8, 8)
        self.box = nn.Linear(8, 4)

    def forward(self, x):
        h = torch.relu(self.grow(x))
        found = torch.nonzero(h.sum(1) > 4.0)[:, 0]
        return self.box(h)[found], h.sum(1)[found]


class DictOutput(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor):
        return {"scores": self.head(x)}


class Counter(nn.Module):
    """Remembers its runs: two workers would disagree."""

    def __init__(self):
        super().__init__()
        self.register_buffer("runs", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.runs = self.runs + 1
        return x + self.runs


# What forward returns


class Pair(NamedTuple):
    logits: Tensor
    aux: Optional[Tensor]


class NamedTupleOutput(nn.Module):
    """A field that is None outside of training."""

    def __init__(self):
        super().__init__()
        self.head, self.helper = nn.Linear(8, 4), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Pair:
        aux: Optional[Tensor] = None
        if self.training:
            aux = self.helper(x)
        return Pair(self.head(x), aux)


class FilledDict(nn.Module):
    """Keys that are made of numbers, a key that is set twice, a read, and a dictionary that is only used inside."""

    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])

    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        found: Dict[str, Tensor] = {}
        inner: Dict[str, Tensor] = {}
        for i, step in enumerate(self.steps):
            x = torch.tanh(step(x))
            found[f"layer{i}"] = x
        found["layer0"] = found["layer0"] * 2
        inner["sum"] = found["layer1"] + found["layer0"]
        found["the sum: all"] = inner["sum"]
        return found


class AppendedList(nn.Module):
    """Lists that loops over modules and over numbers make."""

    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])

    def forward(self, x: Tensor) -> List[Tensor]:
        maps: List[Tensor] = []
        for step in self.steps:
            x = torch.relu(step(x))
            maps.append(x)
        for i in range(2):
            maps.append(x * (i + 2))
        return maps + [x + 1]


class Tree(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tuple[Dict[str, Dict[str, Tensor]], Pair, List[Tuple[Tensor, Tensor]]]:
        h = torch.tanh(self.first(x))
        y = self.second(h)
        return {"a": {"x": h, "y": y}, "b": {"x": h + y.sum(1, keepdim=True)}}, Pair(y, h), [(x, h), (y, y * 2)]


class EarlyTuple(nn.Module):
    """Either branch returns both: the shape decides."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        h = torch.tanh(self.first(x))
        if x.size(1) > 9:
            return h, h
        return self.second(h), h * 2


class Chunked(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tuple[List[Tensor], List[Tensor]]:
        h = torch.tanh(self.first(x))
        return h.chunk(2, 1), torch.split(h * 2, [3, 5], 1)


class TracedDict(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 5), nn.Linear(8, 2)

    def forward(self, x):
        return {"out": self.first(x), "aux": self.second(x)}


class ForAGPU(nn.Module):
    """Compiled with the name of a device that is not here."""

    def __init__(self, device: str = "cuda"):
        super().__init__()
        self.first, self.device = nn.Linear(8, 5), device

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) + torch.arange(5, device=self.device)


class KeysByLength(nn.Module):
    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        found: Dict[str, Tensor] = {}
        for i in range(x.size(1)):
            found[f"column{i}"] = x[:, i]
        return found


class KeysByBranch(nn.Module):
    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        found = {"x": x}
        if bool(x.sum() > 0):
            found["more"] = x * 2
        return found


class ListByLength(nn.Module):
    def forward(self, x: Tensor) -> List[Tensor]:
        return x.unbind(1)


class SometimesNone(nn.Module):
    def forward(self, x: Tensor) -> Pair:
        aux: Optional[Tensor] = None
        if bool(x.sum() > 0):
            aux = x * 2
        return Pair(x, aux)


class NumberOutput(nn.Module):
    def forward(self, x: Tensor) -> Tuple[Tensor, int]:
        return x * 2, x.size(0)


# What a model takes


class Lengths(nn.Module):
    """Lengths of at least 1."""

    def __init__(self):
        super().__init__()
        self.words, self.cell = nn.Embedding(50, 24), nn.GRU(24, 40, batch_first=True)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(self.words(ids), lengths, batch_first=True, enforce_sorted=False)
        return self.cell(packed)[1][0]


class PartlyFused(nn.Module):
    """Operators behind convolutions that the library of fused convolutions has only in part."""

    def __init__(self):
        super().__init__()
        self.convolutions = nn.ModuleList([nn.Conv2d(3, 6, 3, padding=1), *(nn.Conv2d(6, 6, 3, padding=1) for _ in range(7))])
        self.norm = nn.BatchNorm2d(6, affine=False)
        self.norm.running_mean.uniform_(0, 0.1)
        self.head = nn.Linear(24, 5)
        for layer in (*self.convolutions, self.head):
            nn.init.kaiming_normal_(layer.weight)

    def forward(self, image: Tensor) -> Tensor:
        first, second, third, fourth, fifth, sixth, seventh, eighth = self.convolutions
        x = first(image).clamp(min=-1)
        x = F.hardtanh(second(x), -2, 20)
        x = F.gelu(third(x), approximate="tanh")
        x = F.max_pool2d(fourth(x), 2, dilation=2)
        x = F.avg_pool2d(fifth(x), 2, stride=1, divisor_override=3)
        x = self.norm(torch.relu(sixth(x)))
        x = F.avg_pool2d(seventh(x), 3, ceil_mode=True)
        x = eighth(x)
        x = F.adaptive_avg_pool2d(torch.add(x, x, alpha=2), 2)
        return self.head(x.flatten(1))


class FivePoolings(nn.Module):
    """Pictures of any size above 32 × 32."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.relu(self.first(image))
        for _ in range(5):
            x = F.max_pool2d(x, 2)
        return self.head(x.mean([2, 3]))


class Bag(nn.Module):
    """Offsets that rise from 0."""

    def __init__(self):
        super().__init__()
        self.words, self.head = nn.EmbeddingBag(50, 24, mode="sum"), nn.Linear(24, 5)

    def forward(self, ids: Tensor, offsets: Tensor) -> Tensor:
        return self.head(self.words(ids, offsets))


class HighWords(nn.Module):
    """No made-up number will do."""

    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(50, 24), nn.Linear(24, 5)

    def forward(self, ids: Tensor) -> Tensor:
        if bool((ids < 20).any()):
            raise ValueError("words begin at 20")
        return self.head(self.words(ids).mean(1))


class HighWordsTogether(HighWords):
    """Their batch decides: an example must not hide it."""

    def forward(self, ids: Tensor) -> Tensor:
        if bool((ids < 20).any()):
            raise ValueError("words begin at 20")
        h = self.words(ids).mean(1)
        return self.head(h + 0.01 * torch.roll(h, 1, 0))


def images(count):
    return torch.randn(count, 3, 32, 32)


def rounds(count, most):
    return torch.randint(0, most + 1, (count,))


def model_table():
    """name → (module, inputs of a batch, declared shapes, names of outputs with shapes, scripted)."""
    image = [("image", ["N", 3, 32, 32])]
    logits = [("logits", ["N", 10])]
    return {
        "cnn": (Cnn(), lambda n: [images(n)], image, logits, False),
        "scripted-cnn": (ScriptedCnn(), lambda n: [images(n)], image, logits, True),
        "residual": (Residual(), lambda n: [images(n)], image, logits, False),
        "shuffle": (Shuffle(), lambda n: [images(n)], image, logits, False),
        "scripted-shuffle": (Shuffle(), lambda n: [images(n)], image, logits, True),
        "tensor-lists": (
            TensorLists(), lambda n: [torch.randn(n, 24)], [("x", ["N", 24])],
            [("scores", ["N", 6]), ("joined", ["N", 24]), ("shifted", ["N", 24])], True),
        "transformer": (
            Transformer(), lambda n: [torch.randint(0, 200, (n, 16))], [("ids", ["N", 16])], [("scores", ["N", 12])], False),
        "two-inputs": (
            TwoInputs(), lambda n: [torch.randn(n, 12), torch.randn(n, 6)], [("features", ["N", 12]), ("context", ["N", 6])],
            [("scores", ["N", 5]), ("gate", ["N", 16])], False),
        "loop": (
            Loop(), lambda n: [torch.randn(n, 16), rounds(n, 6)], [("state", ["N", 16]), ("rounds", ["N"])],
            [("scores", ["N", 4])], True),
        "slow": (
            Slow(), lambda n: [torch.randn(n, 64), rounds(n, 9)], [("state", ["N", 64]), ("rounds", ["N"])],
            [("scores", ["N", 4])], True),
        "batch-mean": (BatchMean(), lambda n: [torch.randn(n, 10)], [("x", ["N", 10])], [("scores", ["N", 4])], False),
        "sequence-first": (
            SequenceFirst(), lambda n: [torch.randn(7, n, 8)], [("sequence", [7, "N", 8])], [("scores", [7, "N", 5])], False),
        "partly-fused": (
            PartlyFused(), lambda n: [torch.randn(n, 3, 20, 20)], [("image", ["N", 3, 20, 20])], [("scores", ["N", 5])], False),
        "in-place": (InPlace(), lambda n: [torch.randn(n, 12)], [("x", ["N", 12])], [("scores", ["N", 6])], False),
        "with-blocks": (WithBlocks(), lambda n: [torch.randn(n, 8)], [("x", ["N", 8])], [("scores", ["N", 3])], True),
        "picky": (Picky(), lambda n: [torch.rand(n, 8)], [("x", ["N", 8])], [("scores", ["N", 3])], True),
        "pixels": (
            Pixels(), lambda n: [torch.randint(0, 256, (n, 32, 32, 3), dtype=torch.uint8)], [("pixels", ["N", 32, 32, 3])],
            [("probabilities", ["N", 10])], False),
        "views": (Views(), lambda n: [torch.randn(n, 16)], [("x", ["N", 16])], [("scores", ["N", 5])], False),
        "types": (
            Types(),
            lambda n: [
                torch.randn(n, 3).half(), torch.randint(0, 200, (n, 3), dtype=torch.uint8),
                torch.randint(-9, 9, (n, 3), dtype=torch.int32), torch.randint(-9, 9, (n, 3)), torch.rand(n, 3) > 0.5],
            [(name, ["N", 3]) for name in ("half", "bytes", "short", "long", "flags")],
            [(name, ["N", 3]) for name in ("scaled", "grown", "summed", "chosen", "inverted", "floats")], False),
        "free-length": (
            FreeLength(), lambda n: [torch.randn(n, 5)], [("readings", ["N", "T"])],
            [("scores", ["N", 4]), ("doubled", ["N", "T"])], False),
        "finder": (
            Finder(), lambda n: [4 * torch.rand(n, 8)], [("x", ["N", 8])], [("boxes", ["M", 4]), ("sums", ["M"])], False),
    }


def together_table():
    """Models whose items see each other in ways that are easily missed, and some that only look like it: as `model_table`."""
    between = {
        "batch-maximum": BatchMaximum(), "batch-threshold": BatchThreshold(), "late-threshold": LateThreshold(),
        "batch-statistics": BatchStatistics(), "batch-quantile": BatchQuantile(), "batch-ranks": BatchRanks(),
        "neighbour": Neighbour(), "faint-neighbour": FaintNeighbour(), "first-and-last": FirstAndLast(),
        "batch-softmax": BatchSoftmax(), "batch-attention": BatchAttention(), "counted": Counted(), "while-unsure": WhileUnsure(),
        "chosen-rows": ChosenRows(), "positive-rows": PositiveRows(), "experts": Experts(), "crowd": Crowd(),
        "item-by-item": ItemByItem(), "training-batch-norm": TrainingBatchNorm(), "training-dropout": TrainingDropout(),
        "noise": Noise(), "held-threshold": HeldThreshold(),
        "written-mask": WrittenMask(), "written-branch": WrittenBranch(), "experts-by-index": ExpertsByIndex(), "masked": Masked(),
    }
    traced = {"batch-threshold", "batch-statistics", "training-dropout", "masked"}
    table = {
        name: (Layers(mix), lambda n: [torch.randn(n, 10)], [("x", ["N", 10])], [("scores", ["N", 4])], name not in traced)
        for name, mix in between.items()
    }
    scores = [("scores", ["N", 3])]
    return {
        **table,
        "early-exit": (
            EarlyExit(), lambda n: [torch.randn(n, 8)], [("x", ["N", 8])], [("scores", ["N", 4])], True),
        "ids-together": (IdsTogether(), lambda n: [torch.randint(0, 50, (n, 6))], [("ids", ["N", 6])], scores, False),
        "packed": (
            Packed(), lambda n: [torch.randn(n, 7, 6), torch.randint(0, 7, (n,))], [("x", ["N", 7, 6]), ("lengths", ["N"])],
            [("state", ["N", 8])], True),
        "long-ones": (LongOnes(), lambda n: [torch.randn(n, 9, 5)], [("x", ["N", "T", 5])], scores, True),
        "recurrent": (Recurrent(), lambda n: [torch.randn(n, 9, 6)], [("x", ["N", 9, 6])], scores, True),
        "steps": (Steps(), lambda n: [torch.randn(n, 9, 5)], [("x", ["N", 9, 5])], scores, True),
        "attention-layer": (AttentionLayer(), lambda n: [torch.randn(n, 7, 16)], [("x", ["N", 7, 16])], scores, False),
        "token-of-interest": (TokenOfInterest(), lambda n: [torch.randint(0, 90, (n, 6))], [("ids", ["N", 6])], scores, False),
    }


def extra_manifest():
    """What stands in a model's manifest beside its inputs and outputs."""
    preprocessing = {"resizeShorterSide": 36, "cropSize": 32, "interpolation": "bilinear", "layout": "HWC"}
    return {"pixels": {"preprocessing": preprocessing, "labels": [f"kind {number}" for number in range(10)]}}


def bare_table():
    """Models without a manifest, their inputs, whether they are compiled, and their example, if the file has one."""
    def row(module, scripted=True):
        return module, lambda n: [torch.randn(n, 8)], scripted, None

    def high(n):
        return [torch.randint(20, 50, (n, 6))]

    return {
        "dict-output": (DictOutput(), lambda n: [torch.randn(n, 4)], True, None),
        "named-tuple": row(NamedTupleOutput()),
        "filled-dict": row(FilledDict()),
        "appended-list": row(AppendedList()),
        "output-tree": row(Tree()),
        "early-tuple": row(EarlyTuple()),
        "chunked": row(Chunked()),
        "traced-dict": row(TracedDict(), False),
        "lengths": (
            Lengths(), lambda n: [torch.randint(0, 50, (n, 11)), torch.randint(1, 12, (n,))], True, None),
        "five-poolings": (FivePoolings(), lambda n: [torch.randn(n, 3, 40, 48)], True, None),
        "bare-length": (FreeLength(), lambda n: [torch.randn(n, 5)], True, None),
        "bag": (Bag(), lambda n: [torch.randint(0, 50, (16,)), torch.arange(n) * 2], True, None),
        "high-words": (HighWords(), high, True, None),
        "high-words-example": (HighWords(), high, True, ["ids"]),
        "high-words-together": (HighWordsTogether(), high, True, ["ids"]),
    }


def refused_table():
    """Models that are refused."""
    modules = {
        "counter": Counter(), "keys-by-length": KeysByLength(), "keys-by-branch": KeysByBranch(), "list-by-length": ListByLength(),
        "sometimes-none": SometimesNone(), "number-output": NumberOutput()}
    return {name: (module, [torch.randn(2, 4)]) for name, module in modules.items()}


def write_bare(folder, name, module, batch, scripted, example):
    """As `write`, without a manifest: the model's own names count."""
    module.eval()
    script = archive.script_of(module, batch(2), scripted, strict=False)
    write_cases(folder, name, module, [batch(1), batch(3)])
    kept = archive.example_bytes(example, batch(3)) if example else None
    archive.save(script, None, os.path.join(folder, f"{name}.pt"), kept)


def write_cases(folder, name, module, cases):
    recorded = []
    for inputs in cases:
        with torch.no_grad():
            outputs = flat(module(*fresh(inputs)))
        recorded.append({"inputs": [described(t) for t in inputs], "outputs": [described(t) for t in outputs]})
    with open(os.path.join(folder, f"{name}.json"), "w") as file:
        json.dump({"cases": recorded}, file)


def described(tensor):
    return {
        "dtype": archive.DTYPES[tensor.dtype],
        "shape": list(tensor.shape),
        "values": [float(value) for value in tensor.reshape(-1).tolist()],
    }


def fresh(tensors):
    return [tensor.clone() for tensor in tensors]


def write(folder, name, module, batch, input_shapes, output_shapes, scripted, *, sizes=(1, 3)):
    """The archive, and in NAME.json what the module gives at the batch `sizes`."""
    if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in module.modules()):
        archive.calibrate(module, [batch(16) for _ in range(4)])
    module.eval()
    script = archive.script_of(module, fresh(batch(2)), scripted)
    batches = [batch(count) for count in sizes]
    write_cases(folder, name, module, batches)
    inputs = batches[-1]
    with torch.no_grad():
        outputs = flat(module(*fresh(inputs)))
    manifest = {
        "name": name,
        "inputs": [archive.spec(n, t, shape) for (n, shape), t in zip(input_shapes, inputs)],
        "outputs": [archive.spec(n, t, shape) for (n, shape), t in zip(output_shapes, outputs, strict=True)],
        **extra_manifest().get(name, {}),
    }
    archive.save(script, manifest, os.path.join(folder, f"{name}.pt"))


def main(folder):
    torch.manual_seed(20240607)
    torch.set_num_threads(1)
    os.makedirs(folder, exist_ok=True)
    for name, entry in model_table().items():
        write(folder, name, *entry)
    for name, entry in together_table().items():
        write(folder, name, *entry, sizes=(3,))
    for name, entry in bare_table().items():
        write_bare(folder, name, *entry)
    gpu = ForAGPU().eval()
    archive.save(archive.script_of(gpu, [], True), None, os.path.join(folder, "for-a-gpu.pt"))
    gpu.device = "cpu"
    write_cases(folder, "for-a-gpu", gpu, [[torch.randn(n, 8)] for n in (1, 3)])
    torch.export.save(torch.export.export(nn.Linear(8, 3), (torch.randn(2, 8),)), os.path.join(folder, "program.pt2"))
    for name, (module, inputs) in refused_table().items():
        archive.save(archive.script_of(module, inputs, True), None, os.path.join(folder, f"{name}.pt"))
    # What people hand over by mistake.
    torch.save(Cnn().state_dict(), os.path.join(folder, "state-dict.pth"))
    torch.save(Cnn().state_dict(), os.path.join(folder, "pickle.pth"), _use_new_zipfile_serialization=False)
    print(f"{len(model_table()) + len(together_table()) + len(bare_table()) + len(refused_table()) + 4} test models in {folder}")


if __name__ == "__main__":
    main(sys.argv[1])
