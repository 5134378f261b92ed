"""Arrays in, arrays out: the inputs of an .npz file, or made-up ones, go to the cluster, and what comes back is numpy again."""

import argparse
import sys

import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException, triton_to_np_dtype


def made_up(declared: dict, batch: int) -> np.ndarray:
    """Random values of the declared shape; -1 in it may be any size, and the first is the batch."""
    shape = [batch, *(max(size, 1) for size in declared["shape"][1:])]
    values = np.random.default_rng(0).random(shape) * (255 if declared["datatype"] == "UINT8" else 1)
    return values.astype(triton_to_np_dtype(declared["datatype"]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="127.0.0.1:9101", help="HOST:PORT of the coordinator's --http (default: %(default)s)")
    parser.add_argument("--model", help="default: the one that is served")
    parser.add_argument("--token", help="where the coordinator has --http-token-file: the SECRET of a client's line")
    parser.add_argument("--batch", type=int, default=4, help="items of made-up inputs (default: %(default)s)")
    parser.add_argument("--input", help="an .npz file with an array for each input")
    parser.add_argument("--output", help="the .npz file to write")
    options = parser.parse_args()
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}

    client = http.InferenceServerClient(options.url)
    try:
        model = options.model or client.get_model_repository_index(headers=headers)[0]["name"]
        metadata = client.get_model_metadata(model, headers=headers)
        arrays = np.load(options.input) if options.input else {
            declared["name"]: made_up(declared, options.batch) for declared in metadata["inputs"]}

        inputs = []
        for declared in metadata["inputs"]:
            array = arrays[declared["name"]]
            tensor = http.InferInput(declared["name"], list(array.shape), declared["datatype"])
            tensor.set_data_from_numpy(array)
            inputs.append(tensor)
        result = client.infer(model, inputs, headers=headers)

        outputs = {declared["name"]: result.as_numpy(declared["name"]) for declared in metadata["outputs"]}
    except InferenceServerException as error:
        print(f"refused with {error.status()}: {error.message()}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"nobody answers at {options.url}: {error}", file=sys.stderr)
        return 69
    finally:
        client.close()
    for name, array in outputs.items():
        print(f"{name}: {array.dtype}{list(array.shape)}")
    if options.output:
        np.savez(options.output, **outputs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
