"""The report of a night: one HTML page that says what was done, how long it took, and what is wrong."""

from __future__ import annotations

import base64
import datetime
import html
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from pipeline_core import __version__
from pipeline_core.atomic import write_aside
from pipeline_core.night.plan import Plan
from pipeline_core.night.run import FAILED, LEFT_OUT, Outcome

__all__ = ["write_report"]

_STYLE = """
body{font:15px/1.5 sans-serif;margin:2em auto;max-width:75em;color:#1d2733;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.35em .8em .35em 0;border-bottom:1px solid #dde3ea;vertical-align:top}
th{color:#5c6b7a;font-weight:normal}
.bad{color:#b3261e}.quiet{color:#5c6b7a}.number{text-align:right;white-space:nowrap}
figure{display:inline-block;margin:0 1.5em 1em 0}figcaption{color:#5c6b7a}img{image-rendering:pixelated}
"""


_PICTURE_PIXELS = 240
_UNITS = {"count": "counts", "count/s": "counts/s"}


def write_report(plan: Plan, outcomes: Sequence[Outcome], seconds: float) -> Path:
    """Write ``report.html`` into the folder of the products; returns its path.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    settings = plan.settings
    path = settings.out / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    bad = [one for one in outcomes if one.state in (FAILED, LEFT_OUT)]
    now = datetime.datetime.now(datetime.timezone.utc)
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{_text(settings.source.name)}</title>",
        f"<style>{_STYLE}</style><h1>{_text(settings.source.name)}</h1>",
        f"<p class=quiet>quicklook {__version__}, {now:%Y-%m-%d %H:%M:%S} UTC. {len(outcomes)} tasks in "
        f"{seconds:.1f} s; {len(bad)} not done.</p>",
    ]
    if bad or plan.problems:
        lines = [*plan.problems, *(f"{one.task.name}: {one.text}" for one in bad)]
        parts.append("<h2>What is wrong</h2><ul>")
        parts += [f"<li class=bad>{_text(line)}</li>" for line in lines]
        parts.append("</ul>")
    pictures = [
        _picture(output)
        for one in outcomes
        if one.task.kind in ("image", "stack", "speckle")
        for output in one.task.outputs
        if output.is_file()
    ]
    if pictures:
        parts += ["<h2>Images</h2>", *pictures]
    parts.append("<h2>Tasks</h2><table><tr><th>Task<th>State<th>What<th class=number>Time [s]")
    for one in outcomes:
        shade = "bad" if one in bad else "quiet"
        took = f"{one.seconds:.1f}" if one.seconds else ""
        parts.append(
            f"<tr><td>{_text(one.task.name)}<td class={shade}>{_text(one.state)}<td>{_text(one.text)}"
            f"<td class=number>{took}"
        )
    parts.append("</table><h2>Files</h2><table>")
    for name, place in (
        ("raw", settings.data),
        ("database", settings.database),
        ("products", settings.out),
    ):
        parts.append(f"<tr><th>{name}<td>{_text(str(place))}")
    parts.append("</table></html>")
    with write_aside(path, replace=True) as part:
        part.write_text("\n".join(parts), encoding="utf-8")
    return path


def _text(value: str) -> str:
    return html.escape(value)


def _picture(path: Path) -> str:
    """Return a FITS image as a picture inside the page: from black at the 1st to white at the 99.5th percentile."""
    with fits.open(path) as hdus:
        image, unit = np.asarray(hdus[0].data, float), hdus[0].header["BUNIT"]
    if image.ndim == 3:  # bands
        image = image.sum(axis=0)
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, (1, 99.5)) if finite.size else (0.0, 1.0)
    grey = np.clip((np.nan_to_num(image, nan=low) - low) / max(high - low, 1e-9), 0, 1)
    rows = (255 * grey[::-1]).astype(np.uint8)  # y upwards
    data = base64.b64encode(_png(rows)).decode()
    scale = max(round(_PICTURE_PIXELS / image.shape[1]), 1)
    width = scale * image.shape[1]
    name = _text(path.parent.name if path.stem == "image" else path.stem)
    return (
        f'<figure><img width={width} alt="{name}" src="data:image/png;base64,{data}">'
        f"<figcaption>{name}: {low:,.4g} to {high:,.4g} {_text(_UNITS.get(unit, unit))}</figcaption></figure>"
    )


def _png(rows: np.ndarray) -> bytes:
    """Return a grey picture as PNG (ISO/IEC 15948), which needs no library but zlib."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width = rows.shape
    lines = np.zeros((height, width + 1), np.uint8)
    lines[:, 1:] = rows
    stream = io.BytesIO(b"")
    stream.write(b"\x89PNG\r\n\x1a\n")
    stream.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)))
    stream.write(chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)))
    stream.write(chunk(b"IEND", b""))
    return stream.getvalue()
