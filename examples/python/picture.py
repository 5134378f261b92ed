"""Pictures in, labels out: JPEG and PNG files go as they are, and the coordinator scales them as the model wants them."""

import argparse
import sys
from pathlib import Path

import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="127.0.0.1:9101", help="HOST:PORT of the coordinator's --http (default: %(default)s)")
    parser.add_argument("--model", help="default: the one that is served")
    parser.add_argument("--token", help="where the coordinator has --http-token-file: the SECRET of a client's line")
    parser.add_argument("--top", type=int, default=3, help="how many labels of each (default: %(default)s)")
    parser.add_argument("pictures", nargs="+", type=Path, help="sent together, as one batch")
    options = parser.parse_args()
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    try:
        # One element for each picture: all the bytes of its file.
        batch = np.array([picture.read_bytes() for picture in options.pictures], dtype=np.object_)
    except OSError as error:
        print(f"a picture cannot be read: {error}", file=sys.stderr)
        return 65

    client = http.InferenceServerClient(options.url)
    try:
        model = options.model or client.get_model_repository_index(headers=headers)[0]["name"]
        metadata = client.get_model_metadata(model, headers=headers)
        pictures = http.InferInput(metadata["inputs"][0]["name"], [len(batch)], "BYTES")
        pictures.set_data_from_numpy(batch)
        # The best classes in place of all the numbers, each as "score:index:label".
        scores = http.InferRequestedOutput(metadata["outputs"][0]["name"], class_count=options.top)
        result = client.infer(model, [pictures], outputs=[scores], headers=headers)
        rows = result.as_numpy(scores.name())
    except InferenceServerException as error:
        print(f"refused with {error.status()}: {error.message()}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"nobody answers at {options.url}: {error}", file=sys.stderr)
        return 69
    finally:
        client.close()

    for picture, row in zip(options.pictures, rows.reshape(len(batch), -1)):
        best = []
        for text in row:
            score, index, *label = text.decode().split(":", 2)
            best.append(f"{label[0] if label else 'class ' + index} {float(score):.4g}")
        print(f"{picture.name}: {', '.join(best)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
