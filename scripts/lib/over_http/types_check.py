"""Run with one tritonclient: every element type, in and out, as JSON and binary, against a coordinator that has the test model of all types.

    types_check.py ADDRESS MODEL

Numbers must come as they were sent, to the last bit, the largest and smallest too. Prints how many tensors were compared.
"""

import json
import sys
import urllib.request
from typing import Any

import numpy as np
import tritonclient.http as http
from tritonclient.utils import np_to_triton_dtype

address, model = sys.argv[1], sys.argv[2]

INPUTS: dict[str, np.ndarray] = {
    "half": np.array([[0.1, -65504, 6e-8], [1.5, -0.0, 3.1415926]], np.float16),
    "bytes": np.array([[0, 1, 255], [127, 128, 254]], np.uint8),
    "short": np.array([[-(2**31), 2**31 - 300, 0], [1, -1, 77]], np.int32),
    # No double holds these.
    "long": np.array([[2**53 + 1, -(2**63), 2**63 - 1], [-(2**53) - 1, 0, 1]], np.int64),
    "flags": np.array([[True, True, True], [False, True, False]]),
}
with np.errstate(over="ignore"):
    grown = INPUTS["bytes"] + np.uint8(1)
    summed = INPUTS["short"] + grown.astype(np.int32)
    chosen = np.where(INPUTS["flags"], INPUTS["long"], summed.astype(np.int64))
    WANTED: dict[str, np.ndarray] = {
        "scaled": np.array([[0.2, 0, 1.2e-7], [3, -0.0, 6.2831852]], np.float16), "grown": grown, "summed": summed, "chosen": chosen,
        "inverted": ~INPUTS["flags"], "floats": chosen.astype(np.float32) * np.float32(0.5)}
# Twice that is no number of this type, and infinity has no form in JSON.
INPUTS["half"][0, 1] = 0
WANTED["scaled"] = INPUTS["half"] * np.float16(2)
compared: list[str] = []


def compare(what: str, name: str, value: np.ndarray) -> None:
    if value.dtype != WANTED[name].dtype or value.tobytes() != WANTED[name].tobytes():
        sys.exit(f"{what}: output {name} is {value.dtype} {value.tolist()}, not {WANTED[name].dtype} {WANTED[name].tolist()}")
    compared.append(name)


def as_text(nested: bool) -> None:
    """As people write it by hand."""
    inputs: list[dict[str, Any]] = [
        {"name": name, "datatype": np_to_triton_dtype(value.dtype), "shape": list(value.shape), "data": value.tolist() if nested else value.ravel().tolist()}
        for name, value in INPUTS.items()]
    request = urllib.request.Request(f"http://{address}/v2/models/{model}/infer", json.dumps({"inputs": inputs}).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        outputs = json.load(reply)["outputs"]
    if [output["name"] for output in outputs] != list(WANTED):
        sys.exit(f"the outputs are {[output['name'] for output in outputs]}, not {list(WANTED)}")
    for output in outputs:
        wanted = WANTED[output["name"]]
        if output["datatype"] != np_to_triton_dtype(wanted.dtype):
            sys.exit(f"output {output['name']} is {output['datatype']}")
        compare("JSON", output["name"], np.array(output["data"], wanted.dtype).reshape(output["shape"]))


def with_client(asked_binary: bool) -> None:
    inputs = []
    for number, (name, value) in enumerate(INPUTS.items()):
        tensor = http.InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
        # JSON and binary in turn; the client knows no JSON for half floats.
        tensor.set_data_from_numpy(value, binary_data=value.dtype == np.float16 or number % 2 == asked_binary)
        inputs.append(tensor)
    outputs = [http.InferRequestedOutput(name, binary_data=asked_binary) for name in reversed(WANTED)]
    with http.InferenceServerClient(address) as client:
        result = client.infer(model, inputs, outputs=outputs)
    for name in WANTED:
        compare("tritonclient", name, result.as_numpy(name))


as_text(True)
as_text(False)
with_client(True)
with_client(False)
print(len(compared))
