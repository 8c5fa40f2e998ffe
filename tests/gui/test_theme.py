"""Themes: legible, kind to dark-adapted eyes, and switched while everything is open."""

from __future__ import annotations

import gc
import importlib.resources
import re
import weakref

import pytest

from quicklook import assets, palette, theme
from quicklook.qt import QtCore, QtGui, QtWidgets
from quicklook.widgets.flag_legend import FlagLegend
from quicklook.widgets.message_bar import MessageBar

TEXTS = [
    *(
        (text, ground)
        for text in ("ink", "muted")
        for ground in ("window", "paper", "card", "field")
    ),
    *(("ink", ground) for ground in ("hover", "selected", "gap", "missing")),
    *(("ink", ground) for ground in ("info_fill", "good_fill", "warning_fill", "error_fill")),
    *(("hint", ground) for ground in ("window", "paper", "card")),
    *(("error_text", ground) for ground in ("error_fill", "paper", "card", "window")),
    *(("primary_text", ground) for ground in ("primary", "primary_hover", "primary_pressed")),
    ("accent_text", "accent"),
    ("tip_text", "tip"),
]
NIGHT_LIMIT = 0.35  # luminance of white is 1
COMMON_FLAGS = ("good", "beammap.failed", "beammap.yFailed", "beammap.xFailed", "beammap.noDacTone")


@pytest.fixture(autouse=True)
def light_again():
    yield
    theme.use("light", 1.0)


def channels(colour):
    return tuple(int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))


def luminance(colour):
    """Relative luminance as the Web Content Accessibility Guidelines define it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels(colour)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def all_colours(chosen):
    flags = [*palette._COMMON[chosen.name].values(), *palette._OTHER[chosen.name]]
    return [*chosen.colours().values(), *chosen.series, *flags]


def test_the_yardstick_of_contrast_is_right():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # a known near miss


@pytest.mark.parametrize("name", theme.NAMES)
def test_e32_text_is_legible_in_every_theme(name):
    chosen = theme.by_name(name)
    poor = {
        pair: round(contrast(*(getattr(chosen, role) for role in pair)), 2)
        for pair in TEXTS
        if contrast(*(getattr(chosen, role) for role in pair)) < 4.5
    }
    assert not poor


@pytest.mark.parametrize("name", theme.NAMES)
def test_marks_and_curves_stand_out_from_the_paper(name):
    chosen = theme.by_name(name)
    for role in ("accent", "marker", "poisson", "second", "icon", "error"):
        assert contrast(getattr(chosen, role), chosen.paper) >= 3, role


@pytest.mark.parametrize("name", theme.NAMES)
def test_colours_are_written_as_hashes(name):
    for colour in all_colours(theme.by_name(name)):
        assert re.fullmatch("#[0-9a-f]{6}", colour)


def test_night_is_dim_and_red():
    for colour in all_colours(theme.by_name("night")):
        red, green, blue = channels(colour)
        assert luminance(colour) <= NIGHT_LIMIT, colour
        assert green <= 0.45 * red, colour
        assert blue <= 0.45 * red, colour


def test_night_backgrounds_are_nearly_black():
    chosen = theme.by_name("night")
    for role in ("window", "paper", "card", "field", "disabled_fill", "missing", "gap", "hover"):
        assert luminance(getattr(chosen, role)) < 0.01, role


def test_an_unknown_name_is_the_light_theme():
    assert theme.by_name("no such theme").name == "light"


def test_a_switch_is_told_once_and_only_if_it_is_one():
    seen = []
    listen = lambda: seen.append(theme.current().name)  # noqa: E731
    theme.notifier.changed.connect(listen)
    theme.use("dark")
    theme.use("dark")
    theme.use("night")
    theme.notifier.changed.disconnect(listen)
    assert seen == ["dark", "night"]


def pixel(picture, x, y):
    return picture.toImage().pixelColor(x, y).name()


def test_open_windows_follow_a_switch(qtbot):
    window = QtWidgets.QMainWindow()
    qtbot.addWidget(window)
    window.resize(60, 60)
    for name in (*theme.NAMES, "light"):
        theme.use(name)
        assert pixel(window.grab(), 30, 30) == theme.by_name(name).window


def test_every_name_in_the_style_sheet_is_a_colour_of_the_theme():
    for name in theme.NAMES:
        sheet = assets.style_sheet(theme.by_name(name))
        assert "@" not in sheet.split("*/", 1)[1]  # the opening comment explains the sign


def test_the_style_sheet_names_only_glyphs_that_exist_and_there_are_no_others():
    files = importlib.resources.files("quicklook.resources").joinpath("glyphs").iterdir()
    named = set()
    for name in theme.NAMES:
        named |= set(re.findall(r"glyphs:([\w-]+\.svg)", assets.style_sheet(theme.by_name(name))))
    assert {file.name for file in files} == named


def test_glyphs_are_in_the_colours_of_their_theme():
    for file in importlib.resources.files("quicklook.resources").joinpath("glyphs").iterdir():
        chosen = theme.by_name(file.name.removesuffix(".svg").rsplit("-", 1)[1])
        allowed = {chosen.icon, chosen.disabled, chosen.accent, chosen.accent_text}
        assert set(re.findall("#[0-9a-f]{6}", file.read_text())) <= allowed, file.name


def test_glyphs_are_found_and_drawn(qtbot):
    """An arrow that is not found leaves a box that nobody knows how to open."""
    box = QtWidgets.QComboBox()
    qtbot.addWidget(box)
    box.resize(120, 28)
    picture = box.grab().toImage()
    drawn = {picture.pixelColor(x, y).name() for x in range(102, 116) for y in range(8, 20)}
    darkest = min(luminance(colour) for colour in drawn)
    assert darkest < 0.3


# --- icons ------------------------------------------------------------------------------------------


def colours_of(name, mode=QtGui.QIcon.Mode.Normal):
    picture = assets.icon(name).pixmap(QtCore.QSize(48, 48), mode).toImage()
    points = [(x, y) for x in range(48) for y in range(48)]
    found = [picture.pixelColor(*point) for point in points]
    return {colour.name() for colour in found if colour.alpha() == 255}


def test_icons_follow_a_switch_without_being_replaced(qtbot):
    button = QtWidgets.QToolButton(icon=assets.icon("check"))
    qtbot.addWidget(button)
    button.setIconSize(QtCore.QSize(48, 48))
    for name in theme.NAMES:
        theme.use(name)
        assert colours_of("check") == {theme.by_name(name).icon}
        drawn = button.grab().toImage()
        seen = {drawn.pixelColor(x, y).name() for x in range(48) for y in range(48)}
        assert theme.by_name(name).icon in seen


def test_disabled_icons_are_paler():
    picture = assets.icon("check").pixmap(QtCore.QSize(48, 48), QtGui.QIcon.Mode.Disabled).toImage()
    strongest = max(picture.pixelColor(x, y).alpha() for x in range(48) for y in range(48))
    assert 60 < strongest < 160


def test_the_application_icon_keeps_its_colours():
    theme.use("night")
    assets.icon.cache_clear()  # or it might have been made before the switch
    assert "#ffd166" in colours_of("quicklook")


def test_icons_are_drawn_in_colours_that_every_theme_replaces():
    for file in importlib.resources.files("quicklook.resources").joinpath("icons").iterdir():
        name = file.name.removesuffix(".svg")
        theme.use("night")
        if name == "quicklook":
            continue
        for colour in colours_of(name):
            red, green, blue = channels(colour)
            assert max(green, blue) <= 0.5 * red, name


def test_icon_engines_are_freed():
    engine = assets._ThemedIcon("check")
    gone = weakref.ref(engine)
    icon = QtGui.QIcon(engine)
    del engine
    copies = [QtGui.QIcon(icon) for _ in range(3)]
    assert not copies[0].pixmap(16, 16).isNull()
    del icon, copies
    gc.collect()
    assert gone() is None


# --- small widgets ----------------------------------------------------------------------------------


def test_the_symbol_of_a_message_follows_a_switch(qtbot):
    bar = MessageBar()
    qtbot.addWidget(bar)
    bar.resize(400, 40)
    bar.show_message("error", "The file broke.")
    bar.grab()
    theme.use("dark")
    drawn = bar.grab().toImage()
    seen = {drawn.pixelColor(x, y).name() for x in range(34) for y in range(drawn.height())}
    assert theme.by_name("dark").error in seen
    assert theme.by_name("light").error not in seen


def test_the_legend_lies_on_the_paper_of_the_theme(qtbot):
    legend = FlagLegend()
    qtbot.addWidget(legend)
    legend.resize(200, 200)
    theme.use("dark")
    legend.set_entries([("#d55e00", "beammap.failed", 3, "Not found.")])
    assert pixel(legend.grab(), 100, 150) == theme.current().paper


@pytest.mark.parametrize("name", theme.NAMES)
def test_common_flags_can_be_told_apart(name):
    theme.use(name)
    found = [palette.flag_colour(label, 0) for label in COMMON_FLAGS]
    for position, one in enumerate(found):
        for other in found[position + 1 :]:
            distance = sum(abs(a - b) for a, b in zip(channels(one), channels(other), strict=True))
            assert distance > 0.15, (one, other)


# --- size of the text -------------------------------------------------------------------------------


def test_text_grows_and_everybody_is_told(qtbot, application):
    label = QtWidgets.QLabel("Active Pixel")
    qtbot.addWidget(label)
    usual = label.sizeHint().width()
    told = []
    before = application.font().pointSizeF()
    listen = lambda: told.append(application.font().pointSizeF())  # noqa: E731
    theme.notifier.changed.connect(listen)
    try:
        theme.use("light", 1.5)
        assert label.sizeHint().width() > 1.3 * usual
        theme.use("light", 1.5)
        theme.use("light")
    finally:
        theme.notifier.changed.disconnect(listen)
        theme.use("light", 1.0)
    assert told == [pytest.approx(1.5 * before)]  # the font was there before the news
    assert label.sizeHint().width() == usual
