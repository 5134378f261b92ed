"""What can go wrong, and what to do about each: it makes the mistakes on purpose, and shows how a client waits for its turn."""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

#: Too much to do (429), or no plan serves just now (503): both pass.
PASSING = {"429", "503"}
ATTEMPTS = 6


def patiently(send: Callable[[], Any]) -> Any:
    """Sends again what was refused for a reason that passes. tritonclient keeps `Retry-After` to itself, so the pauses grow by a rule."""
    for attempt in range(ATTEMPTS):
        try:
            return send()
        except InferenceServerException as error:
            # All others (400, 401, 404 …) would be refused again.
            if error.status() not in PASSING or attempt == ATTEMPTS - 1:
                raise
            print(f"refused with {error.status()} ({error.message()}); again in {2**attempt / 4} s")
            time.sleep(2**attempt / 4)
    raise AssertionError("the loop returns or raises")


def post(url: str, document: dict, token: str | None) -> dict:
    """The same with nothing but Python's own library, which shows how long the server says to wait."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, json.dumps(document).encode(), headers)
    for attempt in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            pause = error.headers.get("Retry-After")
            text = json.load(error)["error"]
            if str(error.code) not in PASSING or pause is None or attempt == ATTEMPTS - 1:
                raise RuntimeError(f"refused with {error.code}: {text}") from None
            print(f"refused with {error.code} ({text}); again in {pause} s, as Retry-After says")
            time.sleep(float(pause))
    raise AssertionError("the loop returns or raises")


def refused(what: str, send: Callable[[], Any], expected: set[str]) -> None:
    """Shows a mistake's error; a mistake that nobody notices is the worst."""
    try:
        send()
    except InferenceServerException as error:
        print(f"{what}: {error.status()}: {error.message()}")
        if error.status() not in expected:
            raise
    else:
        raise RuntimeError(f"{what}: was answered")


def run(options: argparse.Namespace) -> None:
    # tritonclient writes into it what it sends of its own: for tritonclient alone.
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    # How long the client waits for bytes; a lost cable ends in a TimeoutError, whatever the server does.
    client = http.InferenceServerClient(options.url, connection_timeout=10, network_timeout=60)
    model = options.model or client.get_model_repository_index(headers=headers)[0]["name"]
    metadata = client.get_model_metadata(model, headers=headers)
    declared, output = metadata["inputs"], metadata["outputs"][0]["name"]

    def inputs(batch: int = 1) -> list[http.InferInput]:
        made = []
        for each in declared:
            array = np.zeros([batch, *(max(size, 1) for size in each["shape"][1:])], triton_to_np_dtype(each["datatype"]))
            made.append(http.InferInput(each["name"], list(array.shape), each["datatype"]))
            made[-1].set_data_from_numpy(array)
        return made

    wrong_type = http.InferInput(declared[0]["name"], [1, 2], "INT64")
    wrong_type.set_data_from_numpy(np.zeros([1, 2], np.int64))
    refused("a wrong type", lambda: client.infer(model, [wrong_type, *inputs()[1:]], headers=headers), {"400"})
    refused("an unknown model", lambda: client.infer("no-such-model", inputs(), headers=headers), {"404"})
    refused("an unknown output", lambda: client.infer(
        model, inputs(), outputs=[http.InferRequestedOutput("no-such-output")], headers=headers), {"400"})
    # In microseconds, from the request's arrival to its reply. What was not begun by then is not computed at all.
    refused("a microsecond to do it in", lambda: client.infer(model, inputs(), timeout=1, headers=headers), {"504"})

    result = patiently(lambda: client.infer(model, inputs(), timeout=30_000_000, headers=headers))
    print(f"a good one: {list(result.as_numpy(output).shape)}")
    client.close()

    document = {"inputs": [{"name": each["name"], "datatype": each["datatype"], "shape": tensor.shape(),
                            "data": [0] * int(np.prod(tensor.shape()))} for each, tensor in zip(declared, inputs())]}
    reply = post(f"http://{options.url}/v2/models/{model}/infer", document, options.token)
    print(f"a good one without tritonclient: {reply['outputs'][0]['shape']}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="127.0.0.1:9101", help="HOST:PORT of the coordinator's --http (default: %(default)s)")
    parser.add_argument("--model", help="default: the one that is served")
    parser.add_argument("--token", help="where the coordinator has --http-token-file: the SECRET of a client's line")
    options = parser.parse_args()
    try:
        run(options)
    except InferenceServerException as error:
        hint = "; give --token" if error.status() in {"401", "403"} and not options.token else ""
        print(f"refused with {error.status()}: {error.message()}{hint}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"nobody answers at {options.url}: {error}", file=sys.stderr)
        return 69
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
