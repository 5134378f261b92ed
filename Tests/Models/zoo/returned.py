"""Networks of our own that return more than a tensor: dictionaries, named tuples, lists, None; and what has no fixed structure."""

from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, nn

from made import Made, normal


class Trunk(nn.Module):
    """What the networks below share: three layers, of which each state may be returned."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16 if depth == 0 else 32, 32) for depth in range(3))
        self.head = nn.Linear(32, 5)


class Filled(Trunk):
    """A dictionary filled as the layers go, with keys made of their numbers."""

    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        found: Dict[str, Tensor] = {}
        for depth, layer in enumerate(self.layers):
            x = torch.tanh(layer(x))
            found[f"layer{depth}"] = x
        found["scores"] = self.head(x)
        return found


def filled():
    return Made(Filled().eval(), normal(16), ("x",), ("layer0", "layer1", "layer2", "scores"))


class Heads(NamedTuple):
    scores: Tensor
    helper: Optional[Tensor]
    states: Tensor


class Named(Trunk):
    """A named tuple, with a head that exists in training only."""

    def forward(self, x: Tensor) -> Heads:
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return Heads(self.head(x), None, x)


def named():
    return Made(Named().eval(), normal(16), ("x",), ("scores", "states"))


class Tree(Trunk):
    """Everything in everything."""

    def forward(self, x: Tensor):
        a = torch.tanh(self.layers[0](x))
        b = torch.tanh(self.layers[1](a))
        return {"states": [a, b], "heads": Heads(self.head(b), None, self.layers[2](b)), "pair": (a + b, {"halved": a / 2})}


def tree():
    return Made(
        Tree().eval(), normal(16), ("x",),
        ("states.0", "states.1", "heads.scores", "heads.states", "pair.0", "pair.1.halved"))


class Listed(Trunk):
    """The states of all layers, appended to a list."""

    def forward(self, x: Tensor) -> List[Tensor]:
        found: List[Tensor] = []
        for layer in self.layers:
            x = torch.tanh(layer(x))
            found.append(x)
        return found


def listed():
    return Made(Listed().eval(), normal(16))


class Sequence(Trunk):
    """A list with as many tensors as the request has steps: another structure for another request."""

    def forward(self, x: Tensor) -> List[Tensor]:
        found: List[Tensor] = []
        for step in range(x.size(1)):
            found.append(self.head(torch.tanh(self.layers[0](x[:, step]))))
        return found


def sequence():
    return Made(Sequence().eval(), normal(4, 16))


class Sometimes(Trunk):
    """None for some inputs, a tensor for others."""

    def forward(self, x: Tensor) -> Tuple[Tensor, Optional[Tensor]]:
        h = torch.tanh(self.layers[0](x))
        extra: Optional[Tensor] = None
        if bool(x.mean() > 10):
            extra = h
        return self.head(h), extra


def sometimes():
    return Made(Sometimes().eval(), normal(16))


class Keyed(Trunk):
    """A dictionary whose key the input decides."""

    def forward(self, x: Tensor) -> Dict[int, Tensor]:
        return {x.size(0): self.head(torch.tanh(self.layers[0](x)))}


def keyed():
    return Made(Keyed().eval(), normal(16))
