"""The looks of the whole program: three themes, the size of the text, and who is told of a switch.

'light' and 'dark' are for the office. 'night' is for the dome: dark reds on black only, since rods
are nearly blind to deep red and eyes stay adapted. Everything that paints asks `current` when it
paints, or listens to `notifier.changed` and paints again. `quicklook.app.use_theme` switches.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from quicklook.qt import QtCore, Signal

__all__ = ["NAMES", "Theme", "by_name", "current", "notifier", "text_scale", "use"]


@dataclass(frozen=True)
class Theme:
    """Every colour by what it is for, as '#rrggbb'.

    Text is legible (contrast of at least 4.5) where it stands: `ink` and `muted` on `window`,
    `paper`, `card` and `field`; `hint` on `window` and `card`; `*_text` on what it is named after.

    Attributes
    ----------
    window, paper, card, field
        Backgrounds: of windows, plots and images, cards, boxes to type in.
    border, field_border
        Lines round cards, and round what can be typed in or pressed.
    ink, muted, disabled, disabled_fill
        Text; captions; what cannot be used now and its background.
    accent, accent_text
        Curves, focus, selection; text on it.
    primary, primary_hover, primary_pressed, primary_text
        The one button of a window that does its work.
    hover, selected
        Background under the mouse, and of a chosen row.
    axis, grid, gap, band, marker, marker_edge, region, region_edge, poisson, second
        Plots: axes, grid lines, times without data, error band, active pixel and its outline,
        regions and their outline, the model's curve, another curve.
    series
        Curves of several pixels or regions, in this order.
    missing
        Image pixels without a value.
    good, warning, error, info
        Symbols of messages; `*_fill`, `*_border`: their background and its edge; `error_text` and
        `hint` (warnings) are the texts.
    tip, tip_text
        Tool tips.
    icon, icon_fill
        Strokes and faint areas of icons.
    image_map
        Colour map of images unless another is chosen.
    """

    name: str
    is_dark: bool
    window: str
    paper: str
    card: str
    field: str
    border: str
    field_border: str
    ink: str
    muted: str
    disabled: str
    disabled_fill: str
    accent: str
    accent_text: str
    primary: str
    primary_hover: str
    primary_pressed: str
    primary_text: str
    hover: str
    selected: str
    axis: str
    grid: str
    gap: str
    band: str
    marker: str
    marker_edge: str
    region: str
    region_edge: str
    poisson: str
    second: str
    series: tuple[str, ...]
    missing: str
    good: str
    good_fill: str
    good_border: str
    warning: str
    warning_fill: str
    warning_border: str
    error: str
    error_fill: str
    error_border: str
    error_text: str
    info: str
    info_fill: str
    info_border: str
    hint: str
    tip: str
    tip_text: str
    icon: str
    icon_fill: str
    image_map: str

    def colours(self) -> dict[str, str]:
        """Return the single colours by name: all but `series` and what is no colour."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {k: v for k, v in values.items() if isinstance(v, str) and v.startswith("#")}


class Notifier(QtCore.QObject):
    """Tells of a switch.

    Signals
    -------
    changed
        Another theme or size of the text is in use; `current` and `text_scale` give it already.
    """

    changed = Signal()


_LIGHT = Theme(
    name="light",
    is_dark=False,
    window="#f3f5f8",
    paper="#ffffff",
    card="#ffffff",
    field="#ffffff",
    border="#d8dee6",
    field_border="#b9c4d0",
    ink="#1f2a36",
    muted="#5f6f80",
    disabled="#8b98a6",
    disabled_fill="#eef1f4",
    accent="#1f6fb2",
    accent_text="#ffffff",
    primary="#1f6fb2",
    primary_hover="#2373b6",
    primary_pressed="#185b93",
    primary_text="#ffffff",
    hover="#e3eefa",
    selected="#d3e4f5",
    axis="#9aa7b5",
    grid="#e4e9ee",
    gap="#e9ecef",
    band="#9cc3e6",
    marker="#ff2d78",
    marker_edge="#ffffff",
    region="#00d5ff",
    region_edge="#06252d",
    poisson="#d55e00",
    second="#117733",
    series=("#1f6fb2", "#d55e00", "#117733", "#aa4499", "#b38600", "#3f8fa8", "#882255", "#5f6f80"),
    missing="#e9ecef",
    good="#1b7f4f",
    good_fill="#edf8f2",
    good_border="#b7dcc8",
    warning="#b36b00",
    warning_fill="#fff7e8",
    warning_border="#ecd3a2",
    error="#b3261e",
    error_fill="#fdf1ef",
    error_border="#f0c4bf",
    error_text="#8f1d16",
    info="#1f6fb2",
    info_fill="#eaf2fb",
    info_border="#bcd3ea",
    hint="#8a5200",
    tip="#1f2a36",
    tip_text="#ffffff",
    icon="#3b4b5c",
    icon_fill="#dbe8f4",
    image_map="cividis",
)

_DARK = Theme(
    name="dark",
    is_dark=True,
    window="#23272e",
    paper="#1c2026",
    card="#2b3038",
    field="#1f2329",
    border="#3d444f",
    field_border="#586272",
    ink="#e4e8ee",
    muted="#a9b4c1",
    disabled="#727d8b",
    disabled_fill="#2a2f37",
    accent="#6cb2ee",
    accent_text="#10202e",
    primary="#2a72b0",
    primary_hover="#3079b8",
    primary_pressed="#225f94",
    primary_text="#ffffff",
    hover="#37414e",
    selected="#35506b",
    axis="#76818f",
    grid="#343b45",
    gap="#30363f",
    band="#2f5f88",
    marker="#ff5c98",
    marker_edge="#14171b",
    region="#00d5ff",
    region_edge="#06252d",
    poisson="#f5904a",
    second="#6cc08b",
    series=("#6cb2ee", "#f5904a", "#6cc08b", "#d58ad0", "#e2c04f", "#67c3d4", "#e07a9a", "#a9b4c1"),
    missing="#3a414b",
    good="#5cc08c",
    good_fill="#22352c",
    good_border="#35604a",
    warning="#e9ad4b",
    warning_fill="#3a3123",
    warning_border="#6b5530",
    error="#f08379",
    error_fill="#402725",
    error_border="#764039",
    error_text="#ffb3aa",
    info="#6cb2ee",
    info_fill="#243446",
    info_border="#3a5878",
    hint="#efbc68",
    tip="#e4e8ee",
    tip_text="#1c2026",
    icon="#c3ccd7",
    icon_fill="#3b4a5b",
    image_map="cividis",
)

_NIGHT = Theme(
    name="night",
    is_dark=True,
    window="#080000",
    paper="#000000",
    card="#120000",
    field="#000000",
    border="#480a06",
    field_border="#6e120c",
    ink="#ff2e1c",
    muted="#f2200f",
    disabled="#8a140c",
    disabled_fill="#0c0000",
    accent="#ec2a1a",
    accent_text="#000000",
    primary="#360400",
    primary_hover="#3a0500",
    primary_pressed="#240200",
    primary_text="#ff2e1c",
    hover="#2c0300",
    selected="#360400",
    axis="#7c140c",
    grid="#260200",
    gap="#220000",
    band="#5e0a04",
    marker="#ff4a38",
    marker_edge="#000000",
    region="#ff6a50",
    region_edge="#000000",
    poisson="#ff5a3c",
    second="#b4200f",
    series=("#ec2a1a", "#ff5a3c", "#b4200f", "#ff4a38", "#7c140c", "#d0200f", "#c43a24", "#901808"),
    missing="#180000",
    good="#c02014",
    good_fill="#120000",
    good_border="#480a06",
    warning="#e83420",
    warning_fill="#1c0100",
    warning_border="#6e120c",
    error="#ff4a38",
    error_fill="#260200",
    error_border="#b4200f",
    error_text="#ff3826",
    info="#d0200f",
    info_fill="#120000",
    info_border="#480a06",
    hint="#fa2a18",
    tip="#200200",
    tip_text="#ff2e1c",
    icon="#d42416",
    icon_fill="#3a0500",
    image_map="night",
)

_THEMES = {theme.name: theme for theme in (_LIGHT, _DARK, _NIGHT)}
NAMES = tuple(_THEMES)
"""Names of the themes, in the order to offer them."""

_SCALE_RANGE = (0.5, 3.0)


class _InUse:
    """What is in use now."""

    theme = _LIGHT
    text_scale = 1.0


notifier = Notifier()


def by_name(name: str) -> Theme:
    """Return a theme; the light one for a name that is not known (an old settings file)."""
    return _THEMES.get(name, _LIGHT)


def current() -> Theme:
    """Return the theme in use."""
    return _InUse.theme


def text_scale() -> float:
    """Return the size of the text in use, relative to the usual one."""
    return _InUse.text_scale


def use(name: str, text_scale: float | None = None) -> None:
    """Use other looks from now on and tell everybody; nothing happens if they are in use already.

    `quicklook.app` listens too and gives the application its new font, palette and style sheet.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    text_scale : float, optional
        Size of the text relative to the usual one; as it is if left out.
    """
    scale = _InUse.text_scale if text_scale is None else text_scale
    scale = min(max(scale, _SCALE_RANGE[0]), _SCALE_RANGE[1])
    if by_name(name) is not _InUse.theme or scale != _InUse.text_scale:
        _InUse.theme, _InUse.text_scale = by_name(name), scale
        notifier.changed.emit()


@contextmanager
def painted_with(name: str) -> Iterator[None]:
    """Let `current` give another theme inside a ``with``, and tell nobody: for a picture of one view.

    What is painted in it must take the colours anew before and after; the event loop must not run.
    """
    before = _InUse.theme
    _InUse.theme = by_name(name)
    try:
        yield
    finally:
        _InUse.theme = before
