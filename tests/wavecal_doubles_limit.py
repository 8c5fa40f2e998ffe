"""How well could any test tell doubled pixels from good ones? The figures in WAVECAL_DOUBLES_LIMIT.md.

Run as ``python tests/wavecal_doubles_limit.py [--write]``. Two likelihood ratios that no real method can have, both of
all lines of a pixel together. Nights are drawn as for the truth table, which holds what the calibration does, with
other seeds.

*Twin*: told the pixel's true parameters and those of the single pixel that resembles it most (in every line the same
mean and width, the same tail and edge), which of the two is it? By Neyman and Pearson no test of these two is better,
and the real question holds it as one case of many.

*Population*: the probability of the counts under all doubled pixels over that under all single ones, averaged over what
the simulator may draw (gain, resolving power, curvature; share and distance of the second peak), while edge, tail and
number of noise triggers of the very pixel are known. A method that knew all laws of the simulator, and these three as
well, could do this and no better.
"""

from __future__ import annotations

import argparse
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

sys.path.insert(0, str(Path(__file__).parent))
from wavecal_bounds import _tail_density
from wavecal_pixels import _SOFT_DEG, DEG_EDGES, FWHM, LINES_NM, Night, Recipe, observe
from wavecal_truth import FAMILIES

from pipeline_core._jit import inline, kernel
from pipeline_core.simulate.response import HC_EV_NM

SEED = 771_001
N_PIXELS = {100: 6000, 300: 6000, 1000: 6000, 4000: 6000, 30_000: 1500}
LOSSES = (0.005, 0.05)
MOST_GOOD, MOST_DOUBLED = 400, 300
"""Pixels of a night that the population's ratio is computed for; the good ones set the threshold."""
_DRAWS = 400  # of the importance sampling, per mode
_REPORT = Path(__file__).parent / "WAVECAL_DOUBLES_LIMIT.md"

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


# ---- one pixel against its twin ----------------------------------------------------------------------


def _line_density(centre: Floats, sigma: Floats, edge: Floats) -> Floats:
    """Counts per bin of a Gaussian seen through the trigger, (..., n_bin), not normalised."""
    z = (DEG_EDGES - centre[..., None]) / sigma[..., None]
    middle = 0.5 * (DEG_EDGES[1:] + DEG_EDGES[:-1])
    return np.diff(ndtr(z), axis=-1) * ndtr((edge[..., None] - middle) / _SOFT_DEG)


def _tails(night: Night, pixels: npt.NDArray[np.intp]) -> Floats:
    """Expected noise triggers of each bin, (n, n_line, n_bin)."""
    fine = np.arange(DEG_EDGES[0] + 0.125, DEG_EDGES[-1], 0.25)
    edge, tail = night.edge_deg[pixels, None], night.tail_deg[pixels, None]
    density = _tail_density(fine - edge, tail).reshape(len(pixels), -1, 4).sum(2) / 4
    return density[:, None, :] * night.kept_noise[pixels][:, :, None]


def _truth_of_second(night: Night, pixels: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return share of the photons before the trigger, (n,), and second over first centre minus 1, (n, 1)."""
    # the sign is not kept with the truth, but a taller second peak is seen at least as much as the first
    distance = night.second_sigma[pixels] * night.sigma_deg[pixels] / -night.centre_deg[pixels]
    ratio = distance[:, :1] * _signs(night)[pixels, None]
    centre = night.centre_deg[pixels]
    width = np.hypot(night.sigma_deg[pixels], _SOFT_DEG)
    edge = night.edge_deg[pixels, None]
    seen = ndtr((edge - centre * (1 + ratio)) / width), ndtr((edge - centre) / width)
    odds = night.second_share[pixels] / (1 - night.second_share[pixels]) * seen[1] / seen[0]
    share = odds / (1 + odds)
    return share[np.arange(len(pixels)), seen[0].argmax(1)], ratio


def _signs(night: Night) -> Floats:
    """Return +1 where the second peak is the taller pulse, drawn again as `wavecal_pixels` does."""
    from wavecal_pixels import _draw

    truth = _draw(night.recipe, np.random.default_rng([night.recipe.seed, 0]))
    return np.sign(np.asarray(truth["second_deg"] / truth["centre_deg"])[:, 0] - 1)


def twin_passes(night: Night, pixels: npt.NDArray[np.intp], loss: float) -> float:
    """Return the share of doubled pixels taken for their twins where `loss` of the twins are taken for doubled.

    The logarithm of the ratio is a sum over photons, and taken as normal.
    """
    share, ratio = _truth_of_second(night, pixels)
    share = share[:, None]
    centre, sigma = night.centre_deg[pixels], night.sigma_deg[pixels]
    edge = np.broadcast_to(night.edge_deg[pixels, None], centre.shape)
    second = centre * (1 + ratio)
    double = (1 - share)[..., None] * _line_density(centre, sigma, edge)
    double += share[..., None] * _line_density(second, sigma, edge)
    mean = (1 - share) * centre + share * second
    spread = np.sqrt(sigma**2 + share * (1 - share) * (second - centre) ** 2)
    single = _line_density(mean, spread, edge)
    tail, kept = _tails(night, pixels), night.kept[pixels][..., None]
    one, two = (
        kept * line / np.maximum(line.sum(-1, keepdims=True), 1e-12) + tail + 1e-9
        for line in (single, double)
    )
    gain = np.log(two / one)
    mean_one, mean_two = ((rate * gain).sum((1, 2)) for rate in (one, two))
    sd_one, sd_two = (np.sqrt((rate * gain**2).sum((1, 2))) for rate in (one, two))
    threshold = mean_one + ndtri(1 - loss) * sd_one
    return float(ndtr((threshold - mean_two) / sd_two).mean())


# ---- all doubled pixels against all single ones ------------------------------------------------------

_KINDS = {"arctan": 0, "quadratic": 1, "exponential": 2}
_N_SHAPE = 5  # phase at 850 nm, z of log R, and of what shapes the curve: 0 to 2
_EV = HC_EV_NM / LINES_NM
_EV_850 = HC_EV_NM / 850.0


@inline
def _phase(kind, theta, energy):  # type: ignore[no-untyped-def]
    """Phase of an energy; a curve is set by its height at 850 nm."""
    height = -theta[0]
    if kind == 0:
        return -2.0 * math.degrees(
            math.atan(math.tan(math.radians(height) / 2.0) / _EV_850 * energy)
        )
    if kind == 1:
        e0 = 0.01 * theta[2]
        curvature = 0.0022 * math.exp(0.3 * theta[3])
        slope = (_EV_850 - e0) / (height + curvature * height * height)
        excess = max(energy - e0, 0.0)
        return -2.0 * excess / (slope + math.sqrt(slope * slope + 4.0 * slope * curvature * excess))
    scale = 1.8 + 1.2 / (1.0 + math.exp(-theta[2]))
    return -height * (1.0 - math.exp(-energy / scale)) / (1.0 - math.exp(-_EV_850 / scale))


@inline
def _log_logistic(u):  # type: ignore[no-untyped-def]
    """Density of u where 1 / (1 + exp(-u)) is even between 0 and 1."""
    return -abs(u) - 2.0 * math.log1p(math.exp(-abs(u)))


@kernel
def _log_posterior(kind, doubled, sign, theta, counts, tail, kept, edge, line):  # type: ignore[no-untyped-def]
    """Likelihood times prior: `theta` (5) of the curve and width, then of the second peak's share and distance."""
    if not -150.0 < theta[0] < -20.0:
        return -1e12
    value = -0.5 * theta[1] ** 2
    if kind == 1:
        value -= 0.5 * (theta[2] ** 2 + theta[3] ** 2)
    elif kind == 2:
        value += _log_logistic(theta[2])
    share, reach = 0.0, 0.0
    if doubled:
        value += _log_logistic(theta[4]) + _log_logistic(theta[5])
        share = 0.2 + 0.3 / (1.0 + math.exp(-theta[4]))
        reach = 2.0 + 3.0 / (1.0 + math.exp(-theta[5]))
    resolution = min(max(6.0 * math.exp(0.25 * theta[1]), 3.0), 12.0)
    first = _phase(kind, theta, _EV[0])
    slope = -(_phase(kind, theta, _EV[0] + 1e-3) - _phase(kind, theta, _EV[0] - 1e-3)) / 2e-3
    sigma_first = slope * _EV[0] / (FWHM * resolution)
    # the line where the second peak is nearest in sigma is that of the largest sigma over phase
    widest = 0.0
    for j in range(_EV.size):
        centre = _phase(kind, theta, _EV[j])
        sigma = sigma_first * math.sqrt(0.5 + 0.5 * (centre / first) ** 2)
        widest = max(widest, sigma / -centre)
    for j in range(_EV.size):
        if kept[j] == 0:
            continue
        centre = _phase(kind, theta, _EV[j])
        sigma = sigma_first * math.sqrt(0.5 + 0.5 * (centre / first) ** 2)
        total = 0.0
        for peak in range(2 if doubled else 1):
            middle = centre * (1.0 + sign * reach * widest) if peak == 1 else centre
            weight = share if peak == 1 else 1.0 - share
            scale = math.sqrt(0.5) / sigma
            below = math.erfc(-(DEG_EDGES[0] - middle) * scale)
            for i in range(line.size):
                if peak == 0:
                    line[i] = 0.0
                z = (DEG_EDGES[i + 1] - middle) * scale
                above = math.erfc(-z) if abs(z) < 6.0 else (2.0 if z > 0.0 else 0.0)
                if above != below:
                    seen = 0.5 * math.erfc((DEG_EDGES[i] + 0.5 - edge) / _SOFT_DEG * math.sqrt(0.5))
                    line[i] += weight * 0.5 * (above - below) * seen
                below = above
        for i in range(line.size):
            total += line[i]
        norm = kept[j] / max(total, 1e-9)
        for i in range(line.size):
            if counts[j, i] > 0:
                value += counts[j, i] * math.log(norm * line[i] + tail[j, i] + 1e-9)
    return value


@kernel
def _climb(kind, doubled, sign, theta, free, counts, tail, kept, edge, line, hessian):  # type: ignore[no-untyped-def]
    """Climb to a mode by damped Newton steps with differences; sets `hessian` (negative definite there)."""
    m = free.size
    step = np.array([0.02, 0.03, 0.1, 0.1, 0.1, 0.1])
    gradient, trial = np.empty(m), theta.copy()
    value = _log_posterior(kind, doubled, sign, theta, counts, tail, kept, edge, line)
    damping = 1e-2
    for _ in range(40):
        trial[:] = theta
        up, down = np.empty(m), np.empty(m)
        for a in range(m):
            j = free[a]
            trial[j] = theta[j] + step[j]
            up[a] = _log_posterior(kind, doubled, sign, trial, counts, tail, kept, edge, line)
            trial[j] = theta[j] - step[j]
            down[a] = _log_posterior(kind, doubled, sign, trial, counts, tail, kept, edge, line)
            trial[j] = theta[j]
            gradient[a] = (up[a] - down[a]) / (2 * step[j])
            hessian[a, a] = (up[a] + down[a] - 2 * value) / step[j] ** 2
        for a in range(m):
            for b in range(a):
                i, j = free[a], free[b]
                trial[i], trial[j] = theta[i] + step[i], theta[j] + step[j]
                both = _log_posterior(kind, doubled, sign, trial, counts, tail, kept, edge, line)
                trial[i], trial[j] = theta[i], theta[j]
                cross = (both - up[a] - up[b] + value) / (step[i] * step[j])
                hessian[a, b] = hessian[b, a] = cross
        gained = 0.0
        for _ in range(12):
            matrix = -hessian.copy()
            for a in range(m):
                matrix[a, a] = max(abs(matrix[a, a]), 0.05) * (1.0 + damping)
            move = np.linalg.solve(matrix, gradient)
            for a in range(m):
                cap = 3.0 if free[a] == 0 else 1.0
                trial[free[a]] = theta[free[a]] + min(max(move[a], -cap), cap)
            other = _log_posterior(kind, doubled, sign, trial, counts, tail, kept, edge, line)
            if other > value:
                gained = other - value
                theta[:] = trial
                value = other
                damping = max(0.2 * damping, 1e-4)
                break
            damping = 10.0 * damping
        trial[:] = theta
        if gained < 1e-3:
            break
    return value


@kernel
def _log_evidence(kind, doubled, starts, signs, counts, tail, kept, edge, normals, chis):  # type: ignore[no-untyped-def]
    """Log of the integral of likelihood times prior, by draws around the modes (multivariate t, 5 degrees)."""
    free = np.array([0, 1])
    if kind == 1:
        free = np.array([0, 1, 2, 3])
    elif kind == 2:
        free = np.array([0, 1, 2])
    if doubled:
        free = np.append(free, np.array([4, 5]))
    m = free.size
    line = np.empty(counts.shape[1])
    result, top = np.zeros(2), np.full(2, -1e300)
    for side in range(2):
        if not doubled and side == 1:
            continue
        best, mode, spread = -1e300, starts[0].copy(), np.eye(m)
        for s in range(starts.shape[0]):
            if doubled and signs[s] != 2 * side - 1:
                continue
            hessian = np.zeros((m, m))
            theta = starts[s].copy()
            value = _climb(
                kind, doubled, 2 * side - 1, theta, free, counts, tail, kept, edge, line, hessian
            )
            if value > best:
                best, mode = value, theta
                spread = -hessian
        values, vectors = np.linalg.eigh(spread)
        values = np.maximum(values, 0.1)
        root = vectors * (1.2 / np.sqrt(values))
        log_det = m * math.log(1.2) - 0.5 * np.log(values).sum()
        constant = math.lgamma((5 + m) / 2) - math.lgamma(2.5) - m / 2 * math.log(5 * math.pi)
        weights = np.empty(normals.shape[0])
        point = mode.copy()
        for d in range(normals.shape[0]):
            z = normals[d, :m] / math.sqrt(chis[d] / 5)
            moved = root @ z
            for a in range(m):
                point[free[a]] = mode[free[a]] + moved[a]
            density = constant - (5 + m) / 2 * math.log1p((z**2).sum() / 5) - log_det
            weights[d] = (
                _log_posterior(kind, doubled, 2 * side - 1, point, counts, tail, kept, edge, line)
                - density
            )
        top[side] = weights.max()
        result[side] = np.exp(weights - top[side]).mean()
    norms = 0
    for a in range(m):
        norms += free[a] == 1 or (kind == 1 and 2 <= free[a] <= 3)
    highest = top.max()
    total = result[0] * math.exp(top[0] - highest) + result[1] * math.exp(top[1] - highest)
    value = highest + math.log(max(total, 1e-300)) - norms * 0.5 * math.log(2 * math.pi)
    return value - (math.log(2.0) if doubled else 0.0)


def population_ratios(night: Night, pixels: npt.NDArray[np.intp]) -> Floats:
    """Return log(probability if doubled / probability if single) of each pixel."""
    kind = _KINDS[night.recipe.family]
    tails = _tails(night, pixels)
    rng = np.random.default_rng(1)
    normals, chis = rng.standard_normal((_DRAWS, 6)), rng.chisquare(5, _DRAWS)
    phase_850 = _phase_850(night)
    share, ratio = _truth_of_second(night, pixels)
    out = np.empty(len(pixels))

    def one(k: int) -> None:
        p = pixels[k]
        counts = night.counts[p].astype(np.int64)
        data = (counts, tails[k], night.kept[p], float(night.edge_deg[p]))
        middle, wide = np.zeros(6), np.array([0.0, -2.0, 0.0, 0.0, 0.0, 0.0])
        middle[0] = phase_850[p] * (1 + share[k] * ratio[k, 0])
        log_single = _log_evidence(
            kind,
            False,
            np.stack([middle, middle + wide]),
            np.ones(2),
            *data,
            normals,
            chis,
        )
        starts, signs = [], []
        for sign in (-1, 1):
            for s, d in ((-0.5, -1.5), (-0.5, 1.0)):
                start = np.zeros(6)
                start[4], start[5] = s, d
                # the mean of both is where the mean is
                seen = 0.2 + 0.3 / (1 + np.exp(-s))
                reach = (2.0 + 3.0 / (1 + np.exp(-d))) * 0.07 * sign
                start[0] = middle[0] / (1 + seen * reach)
                starts.append(start)
                signs.append(sign)
        true = np.zeros(6)
        true[0] = phase_850[p]
        starts.append(true)
        signs.append(int(np.sign(ratio[k, 0])) or 1)
        log_double = _log_evidence(
            kind, True, np.array(starts), np.array(signs, float), *data, normals, chis
        )
        out[k] = log_double - log_single

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(len(pixels))))
    return out


def _phase_850(night: Night) -> Floats:
    from wavecal_pixels import curve

    return curve(night.recipe.family, night.coefficients, _EV_850)


# ---- the report --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What is possible at one number of photons; shares, and how many doubled pixels the second one is of."""

    recipe: Recipe
    twin: tuple[float, ...]
    population: tuple[float, ...]
    doubled: int


def run(family: str, photons: int, shrink: int) -> Row:
    """Simulate a night, and judge its good and doubled pixels in both ways."""
    recipe = Recipe(
        family, photons, N_PIXELS[photons] // shrink, SEED + 10 * list(FAMILIES).index(family)
    )
    night = observe(recipe)
    good = np.flatnonzero(night.calibratable())[:MOST_GOOD]
    doubled = np.flatnonzero(night.doubled())
    some = doubled[:MOST_DOUBLED]
    ratio_good, ratio_doubled = population_ratios(night, good), population_ratios(night, some)
    population = tuple(
        float((ratio_doubled <= np.quantile(ratio_good, 1 - loss)).mean()) for loss in LOSSES
    )
    twin = tuple(twin_passes(night, doubled, loss) for loss in LOSSES)
    return Row(recipe, twin, population, some.size)


def table(rows: list[Row]) -> list[str]:
    """Return the lines of the table."""
    heads = ["response", "photons"]
    for name in ("twin", "population"):
        heads += [f"{name}: doubled pass, {100 * loss:g} % lost" for loss in LOSSES]
    heads.append("of so many")
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1)]
    for row in rows:
        cells = " | ".join(f"{100 * figure:.2f}" for figure in (*row.twin, *row.population))
        lines.append(f"| {row.recipe.family} | {row.recipe.photons} | {cells} | {row.doubled} |")
    return lines


_INTRODUCTION = """# Doubled pixels: what any test could do

Made by `tests/wavecal_doubles_limit.py`; do not edit. Percent of the doubled pixels (as WAVECAL_TRUTH.md defines them)
that pass as good, where 0.5 % or 5 % of the good pixels are lost to the test. Goal: at most 0.5 %. The script's seeds
are not those of the truth table.

- **twin**: the likelihood ratio of the pixel's true parameters and of the single pixel that resembles it most: same
  means and widths of lines, same tail and edge. Most powerful for this one question; a real method is told neither.
- **population**: the likelihood ratio averaged over everything the simulator may draw, with the pixel's edge, tail and
  number of noise triggers known. No method can do better on average that is not told more than these.

Both ratios are of all five lines together. What the calibration does is in WAVECAL_TRUTH.md.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write WAVECAL_DOUBLES_LIMIT.md")
    parser.add_argument("--photons", type=int, nargs="*", default=list(N_PIXELS))
    parser.add_argument("--families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--shrink", type=int, default=1, help="divide the number of pixels")
    args = parser.parse_args()
    rows: list[Row] = []
    text = ""
    for family in args.families:
        for photons in args.photons:
            rows.append(run(family, photons, args.shrink))
            text = "\n".join([_INTRODUCTION, *table(rows)]) + "\n"
            sys.stdout.write(table(rows)[-1] + "\n")
            sys.stdout.flush()
            if args.write:  # after each row: a whole run takes half an hour
                _REPORT.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
