"""Makes docs/dashboard*.png of a real coordinator under load, after a worker was lost and came back."""

from __future__ import annotations

import io
import time

from PIL import Image
from playwright.sync_api import expect

from browser import PHONE, WIDE, Chromium
from processes.local_cluster import ROOT
from served_cluster import ServedCluster

#: Bytes of a picture in the repository.
LIMIT = 150_000
LOAD_S = 90


def keep(name: str, picture: bytes) -> None:
    """With fewer colours, in steps, until it is small."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    target = io.BytesIO()
    for colours in [256, 192, 128, 64]:
        target = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(target, "PNG", optimize=True)
        if target.tell() < LIMIT:
            break
    path = ROOT / "docs" / name
    path.write_bytes(target.getvalue())
    print(f"{path.relative_to(ROOT)}: {target.tell()} bytes, {image.width} × {image.height}")


def main() -> None:
    with ServedCluster() as served, Chromium() as chromium:
        pages = {}
        for name, viewport, scheme in [("dashboard.png", WIDE, "light"), ("dashboard-dark.png", WIDE, "dark"), ("dashboard-phone.png", PHONE, "light")]:
            page = chromium.open(served.address, viewport, color_scheme=scheme).page
            page.get_by_label("Token").fill(served.tokens["operator"])
            page.keyboard.press("Enter")
            expect(page.locator("#ring .stage")).to_have_count(3)
            pages[name] = page
        load = served.cluster.begin("bench", "--duration", f"{LOAD_S}s")
        time.sleep(LOAD_S / 3)
        served.cluster.worker("w2").kill()
        time.sleep(LOAD_S / 8)
        served.cluster.restart_worker("w2")
        expect(pages["dashboard.png"].locator("#ring .stage")).to_have_count(3)
        time.sleep(LOAD_S / 4)
        for name, page in pages.items():
            keep(name, page.screenshot(full_page="phone" not in name))
        load.result()


if __name__ == "__main__":
    main()
