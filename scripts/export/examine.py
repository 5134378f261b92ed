"""Whether a TorchScript module gives what the module gives that it was made from, for other inputs than the example too.

A trace records what one input did. A branch that another input would take is not in it, and nothing of a trace says so afterwards: so
inputs are tried that differ from the example in scale and sign. What the module itself refuses is no evidence.
"""

import torch

from errors import Unfit, reason
from structure import flat

# train/training as it stands in the saved graph, by the position of the argument.
TRAINING = {
    "aten::dropout": 2, "aten::dropout_": 2, "aten::feature_dropout": 2, "aten::feature_dropout_": 2, "aten::alpha_dropout": 2,
    "aten::alpha_dropout_": 2, "aten::feature_alpha_dropout": 2, "aten::native_dropout": 2, "aten::batch_norm": 5,
    "aten::native_batch_norm": 5, "aten::_native_batch_norm_legit": 5, "aten::rrelu": 3, "aten::lstm": 6, "aten::gru": 6,
    "aten::rnn_tanh": 6, "aten::rnn_relu": 6,
}
# Recurrent layers drop out between their layers only where this is above 0.
SHARE = {"aten::lstm": 5, "aten::gru": 5, "aten::rnn_tanh": 5, "aten::rnn_relu": 5, "aten::dropout": 1, "aten::dropout_": 1}


def nodes(block):
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from nodes(inner)


def in_training(script):
    """Operators of the module as it will run that are still in training mode."""
    try:
        graph = torch.jit.freeze(script.eval()).inlined_graph
    except Exception:  # A module that cannot be frozen is told so by the coordinator, in its own words.
        return []
    found = []
    for node in nodes(graph):
        position = TRAINING.get(node.kind())
        inputs = list(node.inputs())
        if position is None or position >= len(inputs) or inputs[position].toIValue() is not True:
            continue
        share = SHARE.get(node.kind())
        if share is None or inputs[share].toIValue() != 0:
            found.append(node.kind())
    return sorted(set(found))


def run(module, inputs):
    # One run each: compiling for the sample's shapes, as the executor otherwise does, takes longer than the export.
    with torch.no_grad(), torch.jit.optimized_execution(False):
        return module(*[tensor.clone() for tensor in inputs])


def same(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and torch.allclose(
        a.to(torch.float64), b.to(torch.float64), rtol=1e-3, atol=1e-4, equal_nan=True)


BRANCH = "a branch of the model was recorded as it went for the example"
SIZE = "a size in the model was recorded as a constant"


def others(inputs, specs):
    """Inputs that differ from the example, with what to call them and what it means where they tell two models apart: of other signs
    and scales (integers within the example's range), of one item, of twice the items, and of twice each free extent."""

    def changed(floating, whole):
        return [
            floating(t) if t.is_floating_point() else ~t if t.dtype == torch.bool else whole(t) if t.numel() else t for t in inputs
        ]

    generator = torch.Generator().manual_seed(7)

    def drawn(tensor):
        low, high = int(tensor.min()), int(tensor.max())
        return torch.randint(low, high + 1, tensor.shape, generator=generator).to(tensor.dtype)

    yield "the negated example", BRANCH, changed(lambda t: -t, lambda t: t.max() + t.min() - t)
    yield "zeros", BRANCH, changed(torch.zeros_like, lambda t: torch.full_like(t, int(t.min())))
    yield "the example × 100", BRANCH, changed(lambda t: t * 100, lambda t: torch.full_like(t, int(t.max())))
    yield "the example × -0.01", BRANCH, changed(lambda t: t * -0.01, drawn)
    yield "drawn numbers", BRANCH, changed(lambda t: torch.randn(t.shape, generator=generator).to(t.dtype), drawn)
    if (single := one_item(specs, inputs)) is not None:
        yield "one item", SIZE, single
    for name in dict.fromkeys(d for spec in specs for d in spec["shape"] if isinstance(d, str)):
        extent = next(t.shape[spec["shape"].index(name)] for spec, t in zip(specs, inputs) if name in spec["shape"])
        yield f"{name} = {2 * extent}", SIZE, [doubled(t, spec["shape"], name) for spec, t in zip(specs, inputs)]


def one_item(specs, tensors):
    """The first item of a batch, or None where the inputs declare no batch or hold one item only."""
    sliced, batches = [], set()
    for declared, tensor in zip(specs, tensors):
        position = declared["shape"].index("N") if "N" in declared["shape"] else None
        if position is not None:
            batches.add(tensor.shape[position])
        sliced.append(tensor if position is None else tensor.narrow(position, 0, 1).contiguous())
    return sliced if batches and max(batches) > 1 else None


def doubled(tensor, shape, name):
    for position, extent in enumerate(shape):
        if extent == name:
            tensor = torch.cat([tensor, tensor], position)
    return tensor


def check_repeats(module, inputs):
    first, second = flat(run(module, inputs)), flat(run(module, inputs))
    if not all(same(a, b) for a, b in zip(first, second, strict=True)):
        raise Unfit(
            "two runs of the module with the same input differ: it draws random numbers (dropout in training mode? call eval(), and "
            "hand F.dropout its training argument), or keeps something between runs")
    return first


def compare(script, module, inputs, specs):
    """Which of the other inputs shows that the script is not the module, and what that means; None where none does."""
    for name, cause, sample in others(inputs, specs):
        try:
            wanted = flat(run(module, sample))
        except Exception:  # The module refuses it.
            continue
        try:
            got = flat(run(script, sample))
        except RuntimeError as error:
            return f"{name} ({reason(error)})", cause
        if len(got) != len(wanted) or not all(same(a, b) for a, b in zip(got, wanted)):
            return name, cause
    return None
