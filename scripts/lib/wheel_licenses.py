"""The licences that a wheel comes with, for `dist`: python3 scripts/lib/wheel_licenses.py WHEEL FOLDER."""

import pathlib
import sys
import zipfile


def main(wheel: str, folder: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            _, _, tail = name.partition(".dist-info/licenses/")
            if tail and not tail.endswith("/") and ".." not in tail:
                path = pathlib.Path(folder) / tail
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))


if __name__ == "__main__":
    main(*sys.argv[1:])
