"""A small network with two inputs and two outputs, to show `--function` and .npz files. Its weights are seeded, not trained."""

import torch
from torch import nn

PLACES = 100
READINGS = 64
CODE = 8


class Readings(nn.Module):
    """Sensor readings, and the number of the place they come from, to a score and a code."""

    def __init__(self):
        super().__init__()
        self.place = nn.Embedding(PLACES, 16)
        self.reading = nn.Sequential(nn.Linear(READINGS, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.both = nn.Sequential(nn.Linear(64 + 16, 64), nn.ReLU(), nn.Linear(64, CODE), nn.Tanh())
        self.score = nn.Linear(CODE, 1)

    def forward(self, readings, place):
        code = self.both(torch.cat([self.reading(readings), self.place(place)], dim=1))
        return torch.sigmoid(self.score(code)).flatten(), code


def model():
    """What scripts/export-model asks for: the module, example inputs of two items or more, and the manifest."""
    torch.manual_seed(1)
    inputs = [torch.randn(4, READINGS), torch.randint(0, PLACES, (4,))]
    manifest = {
        "name": "readings",
        "inputs": [
            {"name": "readings", "dtype": "float32", "shape": ["N", READINGS]},
            {"name": "place", "dtype": "int64", "shape": ["N"]},
        ],
        "outputs": [
            {"name": "score", "dtype": "float32", "shape": ["N"]},
            {"name": "code", "dtype": "float32", "shape": ["N", CODE]},
        ],
    }
    return Readings(), inputs, manifest
