"""Run with one tritonclient: the same items over every way of sending and asking, each answer compared with torch's.

    client_check.py ADDRESS MODEL REFERENCE.npz TOLERANCE [until-closed]

Prints an object with how many answers were compared and the largest relative difference. With until-closed it asks in binary, six at once,
until its stdin ends.
"""

import asyncio
import itertools
import json
import sys
from importlib.metadata import version
from typing import Any

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
import tritonclient.utils
from tritonclient.utils import np_to_triton_dtype

address, model, file, tolerance = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
arrays = np.load(file)
items, wanted = arrays["input"], arrays["output"]
INPUT_NAME = OUTPUT_NAME = ""

#: Inputs and outputs as JSON or binary, in all mixtures, and both directions compressed or not.
WAYS = [(sent, asked, coding) for sent, asked in itertools.product(("json", "binary"), repeat=2) for coding in (None, "gzip", "deflate")]
#: JSON of one image has half a million characters: what is compared of it is less.
SIZES = {"json": 2, "binary": 5}


class Compared:
    count = 0
    worst = 0.0

    def add(self, what: str, result: Any, first: int, count: int) -> None:
        answer = result.as_numpy(OUTPUT_NAME)
        expected = wanted[first:first + count]
        if answer.shape != expected.shape or answer.dtype != expected.dtype:
            sys.exit(f"{what}: {answer.dtype}{answer.shape} came, not {expected.dtype}{expected.shape}")
        if (answer.argmax(1) != expected.argmax(1)).any():
            sys.exit(f"{what}: the best class is {answer.argmax(1)}, torch says {expected.argmax(1)}")
        difference = float(np.abs(answer - expected).max() / np.abs(expected).max())
        if not difference <= tolerance:
            sys.exit(f"{what}: differs by {difference:.2e} of the largest value, allowed are {tolerance:.0e}")
        self.count += 1
        self.worst = max(self.worst, difference)


def request(sent: str, asked: str, first: int, count: int) -> tuple[list, list]:
    tensor = http.InferInput(INPUT_NAME, [count, *items.shape[1:]], np_to_triton_dtype(items.dtype))
    tensor.set_data_from_numpy(items[first:first + count], binary_data=sent == "binary")
    return [tensor], [http.InferRequestedOutput(OUTPUT_NAME, binary_data=asked == "binary")]


def sync(compared: Compared) -> None:
    global INPUT_NAME, OUTPUT_NAME
    with http.InferenceServerClient(address, concurrency=4, network_timeout=120) as client:
        checks = [client.is_server_live(), client.is_server_ready(), client.is_model_ready(model), client.is_model_ready(model, "1")]
        if checks != [True] * 4:
            sys.exit(f"live, ready, model ready, its version ready: {checks}")
        metadata = client.get_model_metadata(model)
        INPUT_NAME, OUTPUT_NAME = metadata["inputs"][0]["name"], metadata["outputs"][0]["name"]
        if client.get_model_metadata(model, "1") != metadata or metadata["versions"] != ["1"]:
            sys.exit(f"the metadata of version 1 are others: {metadata}")
        if "binary_tensor_data" not in client.get_server_metadata()["extensions"]:
            sys.exit("the server does not say that it knows the binary extension")
        if client.get_model_config(model)["name"] != model:
            sys.exit("the configuration is of another model")
        if [each["name"] for each in client.get_model_repository_index()] != [model]:
            sys.exit("the index has not this one model")
        for number, (sent, asked, coding) in enumerate(WAYS):
            count = SIZES[sent]
            first = number % (len(items) - count + 1)
            inputs, outputs = request(sent, asked, first, count)
            result = client.infer(model, inputs, outputs=outputs, request_id=f"n-{number}", request_compression_algorithm=coding,
                                  response_compression_algorithm=coding, timeout=60_000_000, priority=1)
            if result.get_response().get("id") != f"n-{number}":
                sys.exit(f"{sent} in: the id did not come back: {result.get_response()}")
            compared.add(f"sync, {sent} in, {asked} out, {coding}", result, first, count)
        # Nothing asked for: all outputs, in binary.
        inputs, _ = request("binary", "binary", 0, 1)
        compared.add("sync, no outputs named", client.infer(model, inputs, model_version="1"), 0, 1)
        pending = [(first, client.async_infer(model, *request("binary", "binary", first, 2)[:1])) for first in range(4)]
        for first, handle in pending:
            compared.add("async_infer", handle.get_result(), first, 2)
        stats = client.get_inference_statistics(model)["model_stats"][0]
        if stats["inference_stats"]["success"]["count"] < len(WAYS) or stats["inference_count"] < stats["execution_count"]:
            sys.exit(f"the statistics have not counted what was asked: {stats}")
        refusals(client)


def names() -> tuple[str, str]:
    with http.InferenceServerClient(address) as client:
        metadata = client.get_model_metadata(model)
        return metadata["inputs"][0]["name"], metadata["outputs"][0]["name"]


def refusals(client: http.InferenceServerClient) -> None:
    """Errors must come as InferenceServerException with the server's own words."""
    inputs, _ = request("binary", "binary", 0, 1)
    for what, code, send in (
            ("unknown model", "404", lambda: client.infer("no-such-model", inputs)),
            ("unknown version", "404", lambda: client.infer(model, inputs, model_version="2")),
            ("unknown output", "400", lambda: client.infer(model, inputs, outputs=[http.InferRequestedOutput("no-such-output")])),
            ("no inputs", "400", lambda: client.infer(model, [])),
            ("unknown model's metadata", "404", lambda: client.get_model_metadata("no-such-model"))):
        try:
            send()
        except tritonclient.utils.InferenceServerException as error:
            if error.status() != code or not error.message() or "Traceback" in error.message():
                sys.exit(f"{what}: {error}")
        else:
            sys.exit(f"{what}: no error")


async def asynchronous(compared: Compared) -> None:
    async with aio.InferenceServerClient(address, conn_limit=8) as client:
        if not (await client.is_server_ready() and await client.is_model_ready(model)):
            sys.exit("aio: not ready")

        async def one(number: int, sent: str, asked: str, coding: str | None) -> None:
            count = SIZES[sent]
            first = number % (len(items) - count + 1)
            inputs, outputs = request(sent, asked, first, count)
            result = await client.infer(model, inputs, outputs=outputs, request_compression_algorithm=coding,
                                        response_compression_algorithm=coding)
            compared.add(f"aio, {sent} in, {asked} out, {coding}", result, first, count)

        await asyncio.gather(*(one(number, *way) for number, way in enumerate(WAYS)))


async def until_closed(compared: Compared) -> None:
    async with aio.InferenceServerClient(address, conn_limit=6) as client:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)

        async def keep_asking(first: int) -> None:
            while not ended.is_set():
                inputs, outputs = request("binary", "binary", first, 2)
                compared.add("aio, in a loop", await client.infer(model, inputs, outputs=outputs), first, 2)

        await asyncio.gather(*(keep_asking(first) for first in range(6)))


compared = Compared()
if "until-closed" in sys.argv[5:]:
    INPUT_NAME, OUTPUT_NAME = names()
    asyncio.run(until_closed(compared))
else:
    sync(compared)
    asyncio.run(asynchronous(compared))
print(json.dumps({"version": version("tritonclient"), "compared": compared.count, "worst": compared.worst}))
