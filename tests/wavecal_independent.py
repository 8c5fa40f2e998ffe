"""Line fits on the raw second that an independent simulator wrote: one 980 nm line, with its own truth.

Its response is quadratic (energy in phase). What it says of widths is R at 808 nm alone, not how that changes
with energy, so that widths are compared there, not judged.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from wavecal_figures import Median, width

from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.simulate.response import HC_EV_NM, energy_to_phase, phase_to_energy

__all__ = ["independent_figures"]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
_SECOND = 1602050400
_FWHM = 2.3548


def independent_figures(folder: Path = SHARED) -> list[str]:
    """Return a table of one line of all pixels, or a sentence where the files are not at hand."""
    if not (folder / "bin" / f"{_SECOND}.bin").exists():
        return ["The files are not at hand."]
    from pipeline_core.wavecal.histograms import histogram_file, phase_edges
    from pipeline_core.wavecal.linefit import fit_lines

    with np.load(folder / f"truth_{_SECOND}.npz") as file:
        truth = {name: file[name] for name in file.files}
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "laser.h5"
        beammap = folder / "darkness_like.bmap"
        convert(ConvertSettings(folder / "bin", _SECOND, 1, beammap, path))
        found = histogram_file(path, 500.0, 1.0)
    hot = found.rate_cps > 2000.0
    fits = fit_lines(found.counts[:, None], phase_edges(1.0), hot=hot[:, None])
    p = truth["x"] * 125 + truth["y"]  # truth is in the order of the beam map
    picked = {
        name: getattr(fits, name)[p, 0]
        for name in ("centre_deg", "centre_error", "sigma_deg", "n_signal")
    }
    return _table(truth, fits.ok[p, 0], picked)


def _table(truth: dict[str, np.ndarray], ok: np.ndarray, fit: dict[str, np.ndarray]) -> list[str]:
    energy = HC_EV_NM / float(truth["wavelength_nm"])
    coefficients = np.stack([truth[name] for name in ("e0", "e1", "e2")])
    centre = energy_to_phase("quadratic", coefficients, energy)
    normal = (truth["beammap_code"] == 0) & ~truth["hot"] & ~truth["dead"]
    far = centre < truth["threshold_deg"] - 10  # half of the line and more, whatever its width
    bright = normal & far & (truth["photons_signal"] >= 100)
    faint = normal & far & (truth["photons_signal"] < 100)
    good = bright & ok
    off = phase_to_energy("quadratic", coefficients, fit["centre_deg"]) / energy - 1
    pull = (fit["centre_deg"] - centre) / fit["centre_error"]
    half = fit["sigma_deg"] * _FWHM / 2
    ends = [
        phase_to_energy("quadratic", coefficients, fit["centre_deg"] + d) for d in (-half, half)
    ]
    r = energy / (ends[0] - ends[1]) / truth["R808"]
    bias, ratio = Median.of(off[good]), Median.of(r[good])
    rows = [
        (
            "line found, >= 100 photons (before cuts)",
            f"{100 * ok[bright].mean():.2f} % of {bright.sum()}",
        ),
        ("line found, 50 to 100 photons", f"{100 * ok[faint].mean():.2f} % of {faint.sum()}"),
        (
            "line found, dead pixels",
            f"{int(ok[truth['dead']].sum())} of {int(truth['dead'].sum())}",
        ),
        ("line found, hot pixels", f"{int(ok[truth['hot']].sum())} of {int(truth['hot'].sum())}"),
        ("bias of energy, median", f"{100 * bias.value:+.3f} ± {100 * bias.error:.3f} %"),
        ("scatter of energy", f"{100 * width(off[good]):.2f} %"),
        ("scatter of centers / (sigma / sqrt(photons))", _to_bound(fit, centre, good)),
        ("pull of centers: mean, width", f"{pull[good].mean():+.3f}, {width(pull[good]):.3f}"),
        ("R at 980 nm / true R at 808 nm, median", f"{ratio.value:.3f} ± {ratio.error:.3f}"),
    ]
    head = [
        f"One second of {energy:.3f} eV ({truth['wavelength_nm']:g} nm), 10 000 pixels, about 120 photons each.",
        "",
    ]
    return [*head, "| figure | value |", "|---|--:|", *(f"| {a} | {b} |" for a, b in rows)]


def _to_bound(fit: dict[str, np.ndarray], centre: np.ndarray, good: np.ndarray) -> str:
    scaled = (fit["centre_deg"] - centre) / (fit["sigma_deg"] / np.sqrt(fit["n_signal"]))
    return f"{width(scaled[good]):.3f}"
