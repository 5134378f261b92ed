"""A hundred requests under way at once, on one asyncio client. Each is an item of its own, and its answer is told from the others."""

import argparse
import asyncio
import sys
import time

import aiohttp
import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException, triton_to_np_dtype


def request(declared: dict, number: int) -> http.InferInput:
    """One item that no other request has."""
    shape = [1, *(max(size, 1) for size in declared["shape"][1:])]
    values = np.random.default_rng(number).random(shape) * (255 if declared["datatype"] == "UINT8" else 1)
    tensor = http.InferInput(declared["name"], shape, declared["datatype"])
    tensor.set_data_from_numpy(values.astype(triton_to_np_dtype(declared["datatype"])))
    return tensor


async def run(options: argparse.Namespace) -> None:
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    async with aio.InferenceServerClient(options.url, conn_limit=options.requests) as client:
        model = options.model or (await client.get_model_repository_index(headers=headers))[0]["name"]
        metadata = await client.get_model_metadata(model, headers=headers)
        declared, output = metadata["inputs"], metadata["outputs"][0]["name"]

        # Made before the first is sent: a client that computes between connecting and asking is slow for the server.
        requests = [[request(each, number) for each in declared] for number in range(options.requests)]

        async def ask(number: int) -> np.ndarray:
            # A copy for each: the client writes into it how long this request's JSON is.
            result = await client.infer(model, requests[number], request_id=str(number), headers=dict(headers))
            assert result.get_response()["id"] == str(number)
            return result.as_numpy(output)

        began = time.monotonic()
        answers = await asyncio.gather(*(ask(number) for number in range(options.requests)))
        seconds = time.monotonic() - began
        print(f"{len(answers)} requests answered in {seconds:.2f} s, each {output} {answers[0].dtype}{list(answers[0].shape)}")

        # The last one again, alone: it must not have got somebody else's answer.
        again = await ask(options.requests - 1)
        scale = float(np.abs(again).max())
        difference = float(np.abs(again - answers[-1]).max()) / (scale or 1)
        print(f"the last one again, alone: differs by {difference:.1e} of the largest value")
        if difference > 1e-3:
            raise RuntimeError("an answer belongs to another request")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="127.0.0.1:9101", help="HOST:PORT of the coordinator's --http (default: %(default)s)")
    parser.add_argument("--model", help="default: the one that is served")
    parser.add_argument("--token", help="where the coordinator has --http-token-file: the SECRET of a client's line")
    parser.add_argument("--requests", type=int, default=100, help="how many are under way at once (default: %(default)s)")
    options = parser.parse_args()
    try:
        asyncio.run(run(options))
    except InferenceServerException as error:
        print(f"refused with {error.status()}: {error.message()}", file=sys.stderr)
        return 1
    except aiohttp.ClientConnectionError as error:
        print(f"nobody answers at {options.url}: {error}", file=sys.stderr)
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main())
