"""MobileNetV2 and ResNet-18, the networks that benchmarks use, with seeded random weights.

Architectures after Sandler et al. 2018 (arXiv:1801.04381, table 2) and He et al. 2015 (arXiv:1512.03385, table 1), operator for
operator as the usual torch implementations have them, so that figures can be compared.
"""

import torch
from torch import nn

import archive

#: Weights depend on it alone: every machine exports the same benchmark model.
SEED = 1801_04381


def conv_norm(width_in, width_out, kernel, stride=1, groups=1, activation=None):
    padding = (kernel - 1) // 2
    parts = [nn.Conv2d(width_in, width_out, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(width_out)]
    return parts + ([activation] if activation else [])


class InvertedResidual(nn.Module):
    def __init__(self, width_in, width_out, stride, expansion):
        super().__init__()
        hidden = width_in * expansion
        layers = []
        if expansion != 1:
            layers += conv_norm(width_in, hidden, 1, activation=nn.ReLU6(inplace=True))
        layers += conv_norm(hidden, hidden, 3, stride, groups=hidden, activation=nn.ReLU6(inplace=True))
        layers += conv_norm(hidden, width_out, 1)
        self.conv = nn.Sequential(*layers)
        self.adds_input = stride == 1 and width_in == width_out

    def forward(self, x):
        return x + self.conv(x) if self.adds_input else self.conv(x)


class MobileNetV2(nn.Module):
    #: expansion, channels, repeats, stride of the first
    STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, classes=1000):
        super().__init__()
        width = 32
        features = [nn.Sequential(*conv_norm(3, width, 3, 2, activation=nn.ReLU6(inplace=True)))]
        for expansion, channels, repeats, stride in self.STAGES:
            for index in range(repeats):
                features.append(InvertedResidual(width, channels, stride if index == 0 else 1, expansion))
                width = channels
        features.append(nn.Sequential(*conv_norm(width, 1280, 1, activation=nn.ReLU6(inplace=True))))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x):
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


class BasicBlock(nn.Module):
    def __init__(self, width_in, width_out, stride):
        super().__init__()
        self.conv1, self.bn1 = conv_norm(width_in, width_out, 3, stride)
        self.conv2, self.bn2 = conv_norm(width_out, width_out, 3)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or width_in != width_out:
            self.downsample = nn.Sequential(*conv_norm(width_in, width_out, 1, stride))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet18(nn.Module):
    def __init__(self, classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        blocks = []
        width = 64
        for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            blocks += [BasicBlock(width, channels, stride), BasicBlock(channels, channels, 1)]
            width = channels
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = nn.functional.adaptive_avg_pool2d(self.blocks(x), (1, 1))
        return self.fc(torch.flatten(x, 1))


def initialise(module):
    """He initialisation for convolutions; the head's outputs of order one for inputs of order one."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, 0, part.in_features**-0.5)
            nn.init.zeros_(part.bias)
    return module


def textures(count, side=224):
    """Picture-like inputs: smooth fields plus fine grain, mean 0 and deviation 1."""
    coarse = torch.randn(count, 3, 7, 7)
    smooth = nn.functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
    pictures = smooth + 0.3 * torch.randn(count, 3, side, side)
    return (pictures - pictures.mean((1, 2, 3), keepdim=True)) / pictures.std((1, 2, 3), keepdim=True)


#: What ImageNet-trained networks of this family take: pixels scaled to 0…1, less the mean, by the deviation.
PREPROCESSING = {
    "resizeShorterSide": 256, "cropSize": 224, "interpolation": "bilinear", "layout": "CHW",
    "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
}


def benchmark_network(build, name):
    torch.manual_seed(SEED)
    module = archive.calibrate(initialise(build()), [[textures(8)]])
    example = [textures(2)]
    with torch.no_grad():
        output = module(*example)
    manifest = {
        "name": name,
        "inputs": [archive.spec("input", example[0], ["N", 3, 224, 224])],
        "outputs": [archive.spec("logits", output, ["N", output.shape[1]])],
        "preprocessing": PREPROCESSING,
    }
    return module, example, manifest


def mobilenet_v2():
    return benchmark_network(MobileNetV2, "mobilenet-v2")


class Pixels(nn.Module):
    """A network behind the scaling of its inputs: what a camera gives goes over the wire as it is, a byte a value."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(PREPROCESSING["mean"]).view(1, 3, 1, 1) * 255)
        self.register_buffer("deviation", torch.tensor(PREPROCESSING["std"]).view(1, 3, 1, 1) * 255)

    def forward(self, image):
        return self.network((image.float() - self.mean) / self.deviation)


def mobilenet_v2_pixels():
    network, example, manifest = benchmark_network(MobileNetV2, "mobilenet-v2-pixels")
    module = Pixels(network).eval()
    image = (example[0] * module.deviation + module.mean).clamp(0, 255).to(torch.uint8)
    with torch.no_grad():
        output = module(image)
    manifest["inputs"] = [archive.spec("image", image, ["N", 3, 224, 224])]
    manifest["outputs"] = [archive.spec("logits", output, ["N", output.shape[1]])]
    manifest["preprocessing"] = {key: PREPROCESSING[key] for key in ("resizeShorterSide", "cropSize", "interpolation", "layout")}
    return module, [image], manifest


def resnet_18():
    return benchmark_network(ResNet18, "resnet-18")
