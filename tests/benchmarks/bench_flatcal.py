"""Flat field of 10 000 pixels, 8 x 10^7 photons, 94 bins, 6 chunks: seconds a stage, pages, application, memory.

Run as ``python tests/benchmarks/bench_flatcal.py [FOLDER]``; photon files are simulated into FOLDER once. Goals: 5 s
from photon files to all solutions, 1.5 GB; book of all pixels 5 minutes, pages by wavelength 10 s; apply 1 s.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from yardsticks import evict, machine, plain_read, rest, run_child, show, warm

from pipeline_core.simulate.settings import LASERS_NM

SECONDS, RATE_CPS = 30, 330.0
_START = 1602050400

_RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from bench_flatcal import run_once
run_once(sys.argv[2], sys.argv[3], sys.argv[4])
"""


def make_files(folder: Path) -> Path:
    """Return the photon file of the flat, with a wavelength calibration attached; simulate what is absent."""
    from pipeline_core import ObsFile
    from pipeline_core.wavecal.compute import run
    from pipeline_core.wavecal.settings import Laser, WavecalSettings

    lasers = [
        Laser(nm, photon_file(folder, f"laser_{nm:g}", _START + 100 * k, 5, 400.0, nm))
        for k, nm in enumerate(LASERS_NM)
    ]
    flat = photon_file(folder, "flat", _START + 1000, SECONDS, RATE_CPS)
    solution = folder / "wavecal.h5"
    if not solution.exists():
        run(WavecalSettings(tuple(lasers))).save(solution)
    with ObsFile(flat, mode="write") as obs:
        if not obs.is_wavelength_calibrated:
            obs.apply_wavecal(solution)
        if obs.is_flat_calibrated:
            obs.undo("flatcal")
    return flat


def photon_file(
    folder: Path, name: str, start: int, seconds: int, rate: float, nm: float = 980.0
) -> Path:
    from pipeline_core.convert import ConvertSettings, convert
    from pipeline_core.simulate import SimulationSettings, simulate

    path = folder / f"{name}.h5"
    if path.exists():
        return path
    print(f"simulating {name} into {folder} ...", flush=True)
    raw = folder / f"raw_{name}"
    settings = SimulationSettings(
        kind=name.split("_")[0],
        seconds=seconds,
        rate_cps=rate,
        seed=1,
        start=start,
        wavelength_nm=nm,
    )
    made = simulate(settings, raw)
    convert(ConvertSettings(raw, start, seconds, made.beammap_path, path))
    for piece in made.bin_paths:
        piece.unlink()
    return path


def run_once(flat: str, out: str, pages: str) -> None:
    """Make the flat field in this process and print what it took."""
    from pipeline_core import ObsFile
    from pipeline_core.flatcal.book import write_mask_pages, write_pixel_book, write_slice_pages
    from pipeline_core.flatcal.compute import solve
    from pipeline_core.flatcal.outputs import save_result
    from pipeline_core.flatcal.settings import FlatcalSettings
    from pipeline_core.flatcal.spectra import check_inputs, load_spectra

    base = Path(out)
    settings = FlatcalSettings(flats=(Path(flat),), out=base)
    ticks = [("", time.perf_counter(), time.process_time())]

    def lap(name: str) -> None:
        ticks.append((name, time.perf_counter(), time.process_time()))

    inputs = check_inputs(settings)
    spectra = load_spectra(settings, inputs)
    lap("stage spectra")
    result = solve(spectra, settings, inputs)
    lap("stage weights, combined and 6 chunks")
    save_result(result, base, overwrite=True)
    lap("stage writing 7 solutions")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    with ObsFile(flat, mode="write") as obs:
        obs.apply_flatcal(base)
        lap("apply")
        image = obs.weighted_image()
        lap("weighted image of all photons")
        obs.undo("flatcal")
        lap("undo")
    if pages == "pages":
        folder = base.parent
        write_slice_pages(result.combined, folder / "slices.pdf")
        write_mask_pages(result.combined, folder / "mask.pdf")
        lap("pages by wavelength, of one solution")
        write_pixel_book(result.combined, folder / "book.pdf", result.wavecal)
        lap("book of all pixels, of one solution")
    for (_, begun, _), (name, ended, _) in itertools.pairwise(ticks):
        print(f"{name}\t{ended - begun}")
    print(f"all stages\t{ticks[3][1] - ticks[0][1]}")
    print(f"processor\t{ticks[3][2] - ticks[0][2]}")
    print(f"memory\t{memory}")
    print(f"photons\t{spectra.counts.sum(dtype='i8')}")
    print(f"weighted\t{image.image[result.combined.weighted].sum()}")


def measure(flat: Path, out: Path, pages: str) -> dict[str, float]:
    """Run in a process of its own."""
    here = str(Path(__file__).parent)
    wall, cpu, text = run_child(_RUN, here, str(flat), str(out), pages)
    rows = (line.rsplit("\t", 1) for line in text.splitlines() if "\t" in line)
    return {**{name: float(value) for name, value in rows}, "wall": wall, "cpu": cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(tempfile.gettempdir()) / "quicklook-bench-flatcal"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only-files", action="store_true", help="simulate, and end")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    flat = make_files(args.folder)
    if args.only_files:
        return
    print(machine())
    print(f"{flat.stat().st_size / 1e6:.0f} MB")
    out = args.folder / "solutions" / "flat.h5"
    measure(flat, out, "none")  # compiles the kernels
    for state, prepare in (("warm", warm), ("cold", evict)):
        runs, reads = [], []
        for k in range(args.repeat):
            rest()
            prepare([flat])
            reads.append(plain_read([flat]))
            prepare([flat])
            last = state == "warm" and k == args.repeat - 1
            runs.append(measure(flat, out, "pages" if last else "none"))
        print(f"-- {state}")
        for name in runs[-1]:
            if name not in (
                "all stages",
                "processor",
                "memory",
                "wall",
                "cpu",
                "photons",
                "weighted",
            ):
                show(name, [r[name] for r in runs if name in r], "s")
        show("all stages (goal 5)", [r["all stages"] for r in runs], "s")
        show("the same, processor time of all threads", [r["processor"] for r in runs], "s")
        show("whole process, start-up included", [r["wall"] for r in runs], "s")
        show("yardstick: plain read of the same bytes", reads, "s")
        show("ratio", [r["all stages"] / t for r, t in zip(runs, reads, strict=True)], "")
        show("memory (goal 1.5)", [r["memory"] for r in runs], "GB")
        show("photons in bins", [r["photons"] for r in runs], "")


if __name__ == "__main__":
    main()
