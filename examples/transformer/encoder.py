"""A transformer encoder of a few layers over short sequences, to measure with: seeded weights, outputs of order one."""

import torch
from torch import nn

TOKENS, WIDTH, HEADS, LAYERS = 64, 256, 4, 6


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, tokens):
        return self.head(self.encoder(tokens).mean(dim=1))


def model():
    """What scripts/export-model asks for: the module, example inputs, and the manifest."""
    torch.manual_seed(5)
    # Its fused fast path is one operator that hides all layers.
    torch.backends.mha.set_fastpath_enabled(False)
    manifest = {
        "name": "transformer-encoder",
        "inputs": [{"name": "tokens", "dtype": "float32", "shape": ["N", TOKENS, WIDTH]}],
        "outputs": [{"name": "scores", "dtype": "float32", "shape": ["N", 10]}],
    }
    return Encoder(), [torch.randn(4, TOKENS, WIDTH)], manifest
