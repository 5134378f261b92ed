"""Run in the Python with torch: inputs for a model, and what torch itself makes of them.

    torch_reference.py MODEL.pt OUT.npz ITEMS    OUT.npz gets the arrays input and output

MODEL.pt has one input and one output, as the networks of scripts/export-model have.
"""

import json
import sys
import zipfile

import numpy as np
import torch

model, out, items = sys.argv[1], sys.argv[2], int(sys.argv[3])
with zipfile.ZipFile(model) as archive:
    name = next(name for name in archive.namelist() if name.endswith("/amp4ec.json"))
    declared = json.loads(archive.read(name))["inputs"][0]
shape = [items, *declared["shape"][1:]]
random = np.random.default_rng(18)
values = random.integers(0, 256, shape, np.uint8) if declared["dtype"] == "uint8" else random.standard_normal(shape, np.float32)
torch.set_num_threads(1)
with torch.no_grad():
    output = torch.jit.load(model).eval()(torch.from_numpy(values))
np.savez(out, input=values, output=output.numpy())
