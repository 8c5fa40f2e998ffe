"""Every action of the menus in one table: text, shortcuts, icon, tip, and what it needs to be of use.

The vocabulary of commands; `actions` makes Qt's objects of it.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ACTIONS", "GESTURES", "MENUS", "NEEDS", "TOOLS", "ActionRow"]


class ActionRow(NamedTuple):
    """One action. `shortcuts` are separated by '; '; `needs` is a key of `NEEDS`, or ''."""

    name: str
    text: str
    shortcuts: str
    icon: str
    tip: str
    needs: str = ""
    checkable: bool = False


NEEDS = {
    "file": "Open a photon file first (Ctrl+O)",
    "photons": "Needs photons: open a photon file or .bin file",
    "counts": "Plot Raw Counts first",
    "pixel": "Click a pixel first",
    "region": "Draw a region first (R or O)",
    "calibrated": "No wavelength solution is attached",
    "tried": "Try a solution first: Apply wavelength solution > Try it",
    "undo": "There is nothing to take back",
}
"""Why an action is disabled."""

_ROWS = (
    # File
    ("open", "&Open…", "Ctrl+O", "open", "Show a photon file (.h5), .bin or .img file"),
    ("convert", "&Convert .bin files…", "Ctrl+B", "convert", "Make a photon file from raw files"),
    ("reload", "&Reload", "F5", "refresh", "Open the same file again", "file"),
    (
        "export_image",
        "Export &image…",
        "E; Ctrl+E",
        "export",
        "Write the image on the screen: FITS, PNG, SVG, PDF, CSV, NPZ",
        "file",
    ),
    (
        "export_light_curve",
        "Export &light curve…",
        "",
        "export",
        "Write the light curve on the screen: FITS, CSV, NPZ, PNG, SVG, PDF",
        "pixel",
    ),
    (
        "export_histogram",
        "Export intensity &histogram…",
        "",
        "export",
        "Write the intensity histogram on the screen",
        "pixel",
    ),
    (
        "export_spectrum",
        "Export &spectrum…",
        "",
        "export",
        "Write the spectrum or phase histogram on the screen",
        "pixel",
    ),
    (
        "export_regions",
        "Export table of &regions…",
        "",
        "export",
        "Write the statistics of all regions: CSV, FITS, NPZ",
        "region",
    ),
    ("export_window", "Export &window…", "", "export", "Write a picture of the whole window"),
    (
        "copy_python",
        "Copy as &Python",
        "Ctrl+Shift+C",
        "python",
        "Copy a script that computes the image and plots on the screen",
        "file",
    ),
    (
        "details",
        "&Header, history and health",
        "I; Ctrl+I",
        "header",
        "Everything that is known of the open file",
        "file",
    ),
    ("preferences", "Pre&ferences…", "Ctrl+,", "preferences", "Looks, image, keys, behaviour"),
    ("exit", "E&xit", "Ctrl+Q", "exit", "Close the window"),
    # Plot
    (
        "light_curve",
        "&Light Curve",
        "Ctrl+1; C",
        "light_curve",
        "Rate of the active pixel against time",
        "photons",
    ),
    (
        "histogram",
        "&Intensity Histogram",
        "Ctrl+2; H",
        "histogram",
        "How often a bin of the active pixel holds 0, 1, 2, … counts",
        "photons",
    ),
    (
        "spectrum",
        "&Spectrum",
        "Ctrl+3; S",
        "spectrum",
        "Wavelengths of the active pixel (phases until calibrated)",
        "photons",
    ),
    (
        "phase",
        "&Phase Histogram",
        "Ctrl+4; P",
        "phase",
        "Phases of the active pixel, in degrees",
        "photons",
    ),
    (
        "window_light_curve",
        "&Light Curve in a new window",
        "Ctrl+Shift+1",
        "window",
        "A light curve in a window of its own, which follows the active pixel",
        "photons",
    ),
    (
        "window_histogram",
        "&Intensity Histogram in a new window",
        "Ctrl+Shift+2",
        "window",
        "An intensity histogram in a window of its own",
        "photons",
    ),
    (
        "window_spectrum",
        "&Spectrum in a new window",
        "Ctrl+Shift+3",
        "window",
        "A spectrum in a window of its own",
        "photons",
    ),
    (
        "window_phase",
        "&Phase Histogram in a new window",
        "Ctrl+Shift+4",
        "window",
        "A phase histogram in a window of its own",
        "photons",
    ),
    (
        "plot_image",
        "Plot Ima&ge",
        "Ctrl+P",
        "image",
        "Draw the chosen image for the chosen ranges",
        "file",
    ),
    ("choose_flags", "&Beam Flag Image", "1", "image", "Choose and draw the flag image", "file"),
    ("choose_counts", "Raw &Counts", "2", "image", "Choose and draw the raw counts", "file"),
    # Image
    ("fit", "&Fit to window", "F; Ctrl+0", "fit", "Show the whole array", "file"),
    ("zoom_in", "Zoom &in", "+; Ctrl++", "zoom_in", "Show a smaller part of the array", "file"),
    ("zoom_out", "Zoom &out", "-; Ctrl+-", "zoom_out", "Show a larger part of the array", "file"),
    (
        "one_to_one",
        "&Eight screen pixels a pixel",
        "Ctrl+8",
        "one_to_one",
        "Draw every pixel of the array with 8 × 8 screen pixels",
        "file",
    ),
    ("flip_x", "Flip left-&right", "X", "flip_x", "Mirror the picture left-right", "file"),
    ("flip_y", "Flip up-&down", "Y", "flip_y", "Mirror the picture up-down", "file"),
    ("rotate", "&Turn by 90°", "T", "rotate", "Turn the picture counter-clockwise", "file"),
    ("autoscale", "&Automatic limits", "A", "fit", "Contrast limits from the data again", "counts"),
    ("next_stretch", "Next &stretch", "G", "palette", "Linear, log, square root, …", "counts"),
    ("next_map", "Next colour &map", "V", "palette", "The next colour map", "counts"),
    (
        "next_hot",
        "&Next hot pixel",
        "N",
        "hot",
        "Go to the next suspiciously bright pixel",
        "counts",
    ),
    (
        "previous_hot",
        "&Previous hot pixel",
        "Shift+N",
        "hot",
        "Go to the suspiciously bright pixel before",
        "counts",
    ),
    # Ranges
    ("time_first", "First time step", "Home", "first", "From the beginning", "photons"),
    ("time_back", "Time step back", "[", "back", "One step back in time", "photons"),
    ("time_forward", "Time step forward", "]", "forward", "One step forward in time", "photons"),
    ("time_last", "Last time step", "End", "last", "Up to the end", "photons"),
    (
        "band_first",
        "Lowest step of phase or wavelength",
        "Ctrl+Home",
        "first",
        "From the lowest phase or wavelength",
        "photons",
    ),
    (
        "band_last",
        "Highest step of phase or wavelength",
        "Ctrl+End",
        "last",
        "Up to the highest phase or wavelength",
        "photons",
    ),
    (
        "band_back",
        "Step to lower phase or wavelength",
        "Ctrl+[",
        "back",
        "One step back in phase or wavelength",
        "photons",
    ),
    (
        "band_forward",
        "Step to higher phase or wavelength",
        "Ctrl+]",
        "forward",
        "One step forward in phase or wavelength",
        "photons",
    ),
    (
        "whole_range",
        "&Whole file",
        "W",
        "image",
        "All times, all phases or wavelengths again",
        "photons",
    ),
    # Calibrate
    (
        "wavecal",
        "&Wavelength calibration…",
        "Ctrl+Shift+W",
        "spectrum",
        "Calibrate phases to wavelengths from photon files of lasers",
    ),
    (
        "look_wavecal",
        "&Look at a wavelength solution…",
        "",
        "phase",
        "Maps of a solution, and the fits of every pixel",
    ),
    (
        "apply_wavecal",
        "&Apply wavelength solution…",
        "",
        "spectrum",
        "Give the photons of the open file wavelengths; can be undone",
        "photons",
    ),
    (
        "compare_wavecal",
        "&Compare: with and without the solution on trial",
        "Ctrl+Shift+A",
        "refresh",
        "A/B: the same photons with the solution that was tried last, and as they are",
        "tried",
    ),
    (
        "undo_wavecal",
        "&Undo wavelength calibration",
        "",
        "back",
        "Phases in degrees again, exactly as recorded",
        "calibrated",
    ),
    # Regions
    ("pointer", "&Pointer", "Esc", "pointer", "Click: active pixel; drag: move", "", True),
    (
        "rectangle",
        "&Rectangle",
        "R",
        "region_rectangle",
        "Draw a rectangular region",
        "file",
        True,
    ),
    ("circle", "&Circle", "O", "region_circle", "Draw a circular region", "file", True),
    (
        "pixels",
        "Set of &pixels",
        "K",
        "region_pixels",
        "Click pixels to collect them in a region",
        "file",
        True,
    ),
    (
        "next_region",
        "&Next region",
        "Ctrl+Tab",
        "forward",
        "Select the next region (Tab on the image)",
        "region",
    ),
    (
        "plot_region",
        "Plot &sum of region",
        "Ctrl+R",
        "light_curve",
        "The plots show the sum of the selected region",
        "region",
    ),
    (
        "remove_region",
        "Re&move region",
        "Del",
        "trash",
        "Remove the selected region",
        "region",
    ),
    ("clear_regions", "Remove &all regions", "", "close", "Remove all regions", "region"),
    ("undo", "&Undo change of regions", "Ctrl+Z; U", "back", "Take the last change back", "undo"),
    # View
    ("files_panel", "&Files panel", "Ctrl+Shift+F", "files", "What is in the folder", "", True),
    (
        "bottom_panel",
        "&Time line and regions",
        "Ctrl+Shift+T",
        "layout",
        "The panel below the image",
        "",
        True,
    ),
    ("theme_light", "&Light", "", "theme", "Dark text on light ground", "", True),
    ("theme_dark", "&Dark", "", "theme", "Light text on dark ground", "", True),
    ("theme_night", "&Night-red", "", "theme", "Only red: eyes stay adapted to the dark", "", True),
    ("reset_layout", "&Reset layout", "", "layout", "Show everything in its usual place"),
    ("full_screen", "F&ull screen", "F11", "full_screen", "Use the whole screen, or go back"),
    # Help
    ("keys", "&Keyboard and mouse", "F1; ?", "keyboard", "All keys and gestures"),
    ("palette", "&Find a command…", "Ctrl+Shift+P", "search", "Search all commands by name"),
    ("guide", "&User guide", "", "question", "A short illustrated guide"),
    ("about", "&About quicklook", "", "about", "Versions, licence, log; for a bug report"),
)
ACTIONS: tuple[ActionRow, ...] = tuple(ActionRow(*row) for row in _ROWS)

_EXPORTS = ("export_image", "export_light_curve", "export_histogram", "export_spectrum")
MENUS: tuple[tuple[str, tuple[object, ...]], ...] = (
    (
        "&File",
        (
            "open",
            "@recent",
            "reload",
            "convert",
            "",
            ("&Export", (*_EXPORTS, "export_regions", "export_window")),
            "copy_python",
            "",
            "details",
            "preferences",
            "",
            "exit",
        ),
    ),
    (
        "&Plot",
        (
            "light_curve",
            "histogram",
            "spectrum",
            "phase",
            "",
            (
                "In a &new window",
                ("window_light_curve", "window_histogram", "window_spectrum", "window_phase"),
            ),
            "",
            "choose_flags",
            "choose_counts",
            "plot_image",
        ),
    ),
    (
        "&Image",
        (
            "fit",
            "zoom_in",
            "zoom_out",
            "one_to_one",
            "",
            "flip_x",
            "flip_y",
            "rotate",
            "",
            "autoscale",
            "next_stretch",
            "next_map",
            "",
            "next_hot",
            "previous_hot",
        ),
    ),
    (
        "&Ranges",
        (
            "time_first",
            "time_back",
            "time_forward",
            "time_last",
            "",
            "band_first",
            "band_back",
            "band_forward",
            "band_last",
            "",
            "whole_range",
        ),
    ),
    (
        "&Calibrate",
        ("wavecal", "look_wavecal", "", "apply_wavecal", "compare_wavecal", "undo_wavecal"),
    ),
    (
        "&Regions",
        (
            "pointer",
            "rectangle",
            "circle",
            "pixels",
            "",
            "next_region",
            "plot_region",
            "remove_region",
            "clear_regions",
            "undo",
            "",
            "export_regions",
        ),
    ),
    (
        "&View",
        (
            "files_panel",
            "bottom_panel",
            "",
            ("&Theme", ("theme_light", "theme_dark", "theme_night")),
            "",
            "reset_layout",
            "full_screen",
        ),
    ),
    ("&Help", ("keys", "palette", "guide", "", "about")),
)
"""Title and entries of each menu: a name, '' for a separator, (title, entries) for a submenu, '@...' for
a submenu that somebody else fills."""

TOOLS = (
    "pointer",
    "rectangle",
    "circle",
    "pixels",
    None,
    "fit",
    "zoom_in",
    "zoom_out",
    None,
    "flip_x",
    "flip_y",
    "rotate",
)
"""Actions with a button beside the image; None: a gap."""

GESTURES: tuple[tuple[str, str], ...] = (
    ("Click on the image", "Active pixel: its plots follow"),
    ("Ctrl+click or Shift+click on the image", "Add the pixel to a region, or take it out"),
    ("Drag on the image", "Move the picture (with a region tool: draw a region)"),
    ("Wheel on the image", "Zoom around the mouse"),
    ("Right drag on the image", "Up and down: brightness; left and right: contrast"),
    ("Arrow keys on the image", "Move the active pixel by 1 (with Shift: by 10)"),
    ("Wheel on the colour bar", "Upper limit by 5 % of the range (with Ctrl: lower limit)"),
    ("Click on the colour bar", "Clip at this value (with Ctrl: from below)"),
    ("Drag on the colour bar", "Pull the nearer limit (with Ctrl: the lower one)"),
    ("Right drag on the colour bar", "Brightness and contrast"),
    ("Double click on the colour bar", "Automatic limits again"),
    ("Drag a region", "Move it; its handles resize it"),
    ("Drag the span on the time line", "Time range of image and plots"),
    ("Shift+drag on the light curve", "Time range of image and plots"),
    ("Wheel and drag in a plot", "Zoom and move; double click: everything again"),
    ("Drop a file or folder on the window", "Open it"),
)
"""What the mouse does, for the sheet of keys."""
