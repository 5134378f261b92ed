"""What a model returns, as named tensors: keys of dictionaries and fields of named tuples are names.

A None is left out. The names are those that the coordinator finds in the archive by itself (Sources/C/CTorch/OutputStructure.h).
"""

import collections.abc
import dataclasses

import torch

from errors import Unfit

#: As TensorSpec.maximumNameByteCount.
MAXIMUM_NAME_BYTES = 255


def steps(value):
    """The parts of a container with what to call them, and whether those are names; None where it is none."""
    if isinstance(value, collections.abc.Mapping):
        return [(str(key), True, part) for key, part in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(name, True, getattr(value, name)) for name in value._fields]
    if isinstance(value, (tuple, list)):
        return [(str(position), False, part) for position, part in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, True, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return None


def leaves(value, path=()):
    """Tensors and Nones in their order, each with its path of (step, whether it is a name)."""
    if value is None or isinstance(value, torch.Tensor):
        yield path, value
        return
    parts = steps(value)
    if parts is None:
        place = f' as output "{written(path)}"' if path else ""
        raise Unfit(
            f"the model returns {article(type(value).__name__)}{place}; return tensors, or tuples, named tuples and dictionaries of tensors"
            + ("; a number as torch.tensor(…)" if isinstance(value, (bool, int, float)) else ""))
    for step, is_name, part in parts:
        yield from leaves(part, (*path, (step, is_name)))


def article(noun):
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def written(path):
    return ".".join(step for step, _ in path)


def is_obeyed_by_terminals(character):
    """As Unicode.Scalar.isObeyedByTerminals: control characters, line breaks, and marks that turn the direction."""
    code = ord(character)
    return (
        code < 0x20 or 0x7F <= code <= 0x9F or code in (0x200E, 0x200F) or 0x2028 <= code <= 0x202E or 0x2066 <= code <= 0x2069)


def safe(name):
    """A name that a manifest takes: no blanks, colons and control characters, and not too long."""
    clean = "".join("_" if c.isspace() or c == ":" or is_obeyed_by_terminals(c) else c for c in name)
    return clean.encode()[:MAXIMUM_NAME_BYTES].decode(errors="ignore")


def names_of(paths):
    """From the first name of each path on; the whole path where that stands twice. Without a name: output0, output1."""
    def short(path):
        first = next((i for i, (_, is_name) in enumerate(path) if is_name), None)
        return None if first is None else safe(written(path[first:]))

    names = [short(path) for path in paths]
    names = [safe(written(path)) if name and names.count(name) > 1 else name for path, name in zip(paths, names)]
    names = [name or f"output{position}" for position, name in enumerate(names)]
    taken = set()
    for position, name in enumerate(names):
        if name in taken:
            names[position] = next(n for n in (f"{name[:200]}_{i}" for i in range(2, len(names) + 2)) if n not in taken and n not in names)
        taken.add(names[position])
    return names


def flat(value):
    """The tensors of what a model returns, in order."""
    return [tensor for _, tensor in leaves(value) if tensor is not None]


def is_plain(value):
    """Does a trace take it as it is?"""
    return isinstance(value, torch.Tensor) or (type(value) is tuple and all(is_plain(part) for part in value))


class Outputs:
    """The named outputs of a model, found in what one run returned."""

    def __init__(self, value):
        found = list(leaves(value))
        self.paths = [path for path, tensor in found if tensor is not None]
        self.tensors = [tensor for _, tensor in found if tensor is not None]
        self.omitted = [written(path) for path, tensor in found if tensor is None]
        self.names = names_of(self.paths)
        self.are_named = any(is_name for path in self.paths for _, is_name in path)
        self.is_plain = is_plain(value)
        if not self.tensors:
            raise Unfit("the model returns no tensor")


def bound(kind, specs, names):
    """Declarations in the model's order, and a note: by name where the names are its own, by position where none is."""
    declared = [spec["name"] for spec in specs]
    for name in declared:
        if declared.count(name) > 1:
            raise Unfit(f'{kind}: "{name}" is declared twice')
    known = [name for name in declared if name in names]
    if not known or len(set(names)) != len(names) or len(declared) != len(names):
        return specs, None if known else f"the model calls its {kind} {', '.join(names)}; the manifest's names are taken in that order"
    if len(known) != len(declared):
        strange = ", ".join(f'"{name}"' for name in declared if name not in names)
        raise Unfit(
            f"{kind}: the model calls them {', '.join(names)}, and {strange} is none of these; use its names in any order, or others for "
            "all, in its order")
    return [next(spec for spec in specs if spec["name"] == name) for name in names], None
