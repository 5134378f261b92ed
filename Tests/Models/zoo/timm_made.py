"""Networks of timm, with random weights."""

import torchvision_here  # noqa: F401

import timm

from made import Made, lively, pictures


def classifier(name, side, **options):
    network = timm.create_model(name, pretrained=False, num_classes=50, **options)
    return Made(lively(network, pictures(side)), pictures(side))


def built(kind, side=64, **options):
    """A class of timm in a size that has no name of its own."""
    return Made(lively(getattr(timm.models, kind)(num_classes=50, **options), pictures(side)), pictures(side))


def features(name, side, **options):
    """Maps of every scale, as detectors and segmenters take them."""
    network = timm.create_model(name, pretrained=False, features_only=True, **options)
    return Made(lively(network, pictures(side)), pictures(side))
