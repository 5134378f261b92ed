"""Makes `import torchvision` work where its compiled part does not load: PyPI's is made for CUDA, and the torch here is for CPUs.

Its Python part registers shapes of two operators that the compiled part would have defined; here they are defined without a kernel, which is
all that networks without a choice of boxes need. Imported before torchvision, and before timm, which imports it.
"""

import importlib.util
import pathlib

import torch

DEFINITIONS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _compiled_part_loads():
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("there is no torchvision")
    folder = pathlib.Path(found.submodule_search_locations[0])
    for library in folder.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
            return True
        except OSError:
            continue
    return False


IS_COMPILED = _compiled_part_loads()
if not IS_COMPILED:
    _library = torch.library.Library("torchvision", "DEF")
    for definition in DEFINITIONS:
        _library.define(definition)


def _nms(dets, scores, iou_threshold):
    """Boxes in the order of their scores, without those that overlap a better one."""
    kept: list[int] = []
    for index in scores.argsort(descending=True, stable=True).tolist():
        if all(_overlap(dets[index], dets[other]) <= iou_threshold for other in kept):
            kept.append(index)
    return torch.tensor(kept, dtype=torch.int64)


def _overlap(a, b):
    sides = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0)
    both = sides.prod()
    return float(both / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both))


def needs_kernel(name):
    """Gives the operator a kernel in Python, so that a network that calls it can be exported; call it after `import torchvision`."""
    import torchvision

    if not IS_COMPILED:
        _library.impl(name, {"nms": _nms}[name], "CPU")
        # torchvision's own check looks for the compiled part.
        torchvision.extension._assert_has_ops = lambda: None
        torchvision.extension._has_ops = lambda: True
