"""Networks of torchvision, with random weights: classification, segmentation, detection, video, flow."""

import torchvision_here

import torch
import torchvision
from torch import nn
from torchvision.models import convnext, detection, segmentation, swin_transformer, vgg, video, vision_transformer
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection import backbone_utils

from made import Called, Made, lively, normal, pictures

CLASSES = 50


def made(module, side):
    return Made(lively(module, pictures(side)), pictures(side))


def classifier(name, side, **options):
    return made(getattr(torchvision.models, name)(weights=None, num_classes=CLASSES, **options), side)


def small_vgg(norm):
    plan = [16, "M", 32, "M", 64, 64, "M", 96, 96, "M"]
    network = vgg.VGG(vgg.make_layers(plan, batch_norm=norm), CLASSES)
    network.classifier = nn.Sequential(nn.Linear(96 * 49, 128), nn.ReLU(True), nn.Dropout(), nn.Linear(128, CLASSES))
    nn.init.kaiming_normal_(network.classifier[3].weight)
    return made(network, 64)


def small_convnext():
    setting = [convnext.CNBlockConfig(width, after, count) for width, after, count in ((24, 48, 2), (48, 96, 2), (96, None, 2))]
    return made(convnext.ConvNeXt(setting, num_classes=CLASSES), 64)


def small_vit():
    network = vision_transformer.VisionTransformer(64, 8, num_layers=4, num_heads=4, hidden_dim=64, mlp_dim=128, num_classes=CLASSES)
    nn.init.normal_(network.heads.head.weight, 0, 0.1)
    return made(network, 64)


def small_swin(block=None):
    network = swin_transformer.SwinTransformer(
        [4, 4], 32, [2, 2, 2], [2, 4, 8], [4, 4], num_classes=CLASSES, **({"block": getattr(swin_transformer, block)} if block else {}))
    return made(network, 64)


def fcn():
    backbone = IntermediateLayerGetter(torchvision.models.resnet18(weights=None), {"layer4": "out"})
    return made(Called(segmentation.FCN(backbone, segmentation.fcn.FCNHead(512, 21)), lambda y: y["out"]), 64)


def fcn_with_dictionary():
    backbone = IntermediateLayerGetter(torchvision.models.resnet18(weights=None), {"layer4": "out"})
    found = made(segmentation.FCN(backbone, segmentation.fcn.FCNHead(512, 21)), 64)
    found.outputs = ("out",)
    return found


def segmenter(name, side):
    network = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=21)
    return made(Called(network, lambda y: y["out"]), side)


def pyramid():
    network = backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d)
    found = made(Called(network, lambda y: tuple(y.values())), 64)
    found.outputs = ("p2", "p3", "p4", "p5", "pool")
    return found


class Retina(nn.Module):
    """Backbone, pyramid and heads of a RetinaNet: scores and boxes for every anchor, before the boxes are chosen."""

    def __init__(self):
        super().__init__()
        self.backbone = backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d)
        self.head = detection.retinanet.RetinaNetHead(256, 9, 11)

    def forward(self, image):
        found = self.head(list(self.backbone(image).values()))
        return found["cls_logits"], found["bbox_regression"]


def retina():
    network = Retina()
    # It starts with "nothing is here" everywhere.
    nn.init.normal_(network.head.classification_head.cls_logits.weight, 0, 0.02)
    nn.init.zeros_(network.head.classification_head.cls_logits.bias)
    return Made(lively(network, pictures(64)), pictures(64), ("image",), ("scores", "boxes"))


def ssdlite():
    whole = detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=11)

    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone, self.head = whole.backbone, whole.head

        def forward(self, image):
            found = self.head(list(self.backbone(image).values()))
            return found["cls_logits"], found["bbox_regression"]

    return Made(lively(Heads(), pictures(96)), pictures(96), ("image",), ("scores", "boxes"))


class Chosen(nn.Module):
    """Heads with the choice of boxes behind them, which keeps as many as are found."""

    def __init__(self):
        super().__init__()
        self.score, self.box = nn.Conv2d(3, 1, 8, 8), nn.Conv2d(3, 4, 8, 8)

    def forward(self, image):
        scores = self.score(image).permute(0, 2, 3, 1).reshape(-1)
        boxes = self.box(image).permute(0, 2, 3, 1).reshape(-1, 4).abs()
        boxes = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:] + 0.1], 1)
        kept = torchvision.ops.nms(boxes, scores, 0.5)[:4]
        return boxes[kept], scores[kept]


def chosen_boxes():
    torchvision_here.needs_kernel("nms")
    return Made(Chosen().eval(), pictures(32), ("image",), ("boxes", "scores"))


def small_video():
    return Made(lively(video.mc3_18(weights=None, num_classes=CLASSES), normal(3, 4, 24, 24)), normal(3, 4, 24, 24))


def raft():
    class Flow(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = torchvision.models.optical_flow.raft_small(weights=None)

        def forward(self, first, second):
            return self.network(first, second, num_flow_updates=2)[-1]

    batch = pictures(128)
    return Made(lively(Flow(), lambda n: batch(n) + batch(n)), lambda n: batch(n) + batch(n), ("first", "second"), ("flow",))
