"""A user's own functions for scripts/export-model, each with one mistake; see also Tests/Models/exports.py."""

import torch
from torch import nn

INPUT = {"name": "x", "dtype": "float32", "shape": ["N", 8]}


def made(module=None, inputs=None, **manifest):
    inputs = [torch.rand(2, 8)] if inputs is None else inputs
    return module or nn.Linear(8, 3), inputs, {"name": "m", "inputs": [INPUT], **manifest}


def right():
    return made()


def raises():
    raise KeyError("weights")


def divides():
    return 1 / 0


def not_three():
    return nn.Linear(8, 3)


def no_module():
    return "model", [torch.rand(2, 8)], {}


def no_inputs():
    return made(inputs=[])


def array_input():
    return made(inputs=[[1.0, 2.0]])


def no_manifest():
    return nn.Linear(8, 3), [torch.rand(2, 8)], None


def no_name():
    module, inputs, manifest = made()
    del manifest["name"]
    return module, inputs, manifest


def no_shape():
    return nn.Linear(8, 3), [torch.rand(2, 8)], {"name": "m", "inputs": [{"name": "x", "dtype": "float32"}]}


def other_shape():
    return nn.Linear(8, 3), [torch.rand(2, 8)], {"name": "m", "inputs": [{**INPUT, "shape": ["N", 9]}]}


def other_type():
    return nn.Linear(8, 3), [torch.rand(2, 8)], {"name": "m", "inputs": [{**INPUT, "dtype": "int64"}]}


def one_item():
    return made(inputs=[torch.rand(1, 8)])


def two_inputs():
    return made(inputs=[torch.rand(2, 8), torch.rand(2, 8)])


def two_outputs():
    return made(outputs=[{"name": "a", "dtype": "float32", "shape": ["N", 3]}, {"name": "b", "dtype": "float32", "shape": ["N", 3]}])


def wrong_output():
    return made(outputs=[{"name": "a", "dtype": "float32", "shape": ["N", 4]}])


def wrong_width():
    return made(nn.Linear(9, 3))


def double():
    return made(nn.Linear(8, 3).double(), [torch.rand(2, 8).double()])


def bad_batch():
    return made(batch="sometimes")


def few_labels():
    return made(labels="a, b")


def bad_preprocessing():
    return made(preprocessing="resize to 224")


class Branch(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def branch():
    return made(Branch())


class Prints(nn.Module):
    def forward(self, x):
        return {"y": x, "text": "hello"}


def text_output():
    return made(Prints())
