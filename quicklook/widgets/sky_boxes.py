"""Where the array looked: rows of a form, and what it is in the core's words."""

from __future__ import annotations

from pipeline_core.wcs import NOMINAL, Pointing
from quicklook.qt import QtWidgets, Signal, Slot
from quicklook.widgets.number_box import NumberBox
from quicklook.widgets.side_by_side import side_by_side

__all__ = ["SkyBoxes"]

_USUAL = (10.0, 0.0)


class SkyBoxes(QtWidgets.QWidget):
    """Right ascension, declination, pixel, plate scale and orientation, behind a tick.

    Signals
    -------
    changed
        Anything.
    """

    changed = Signal()

    def __init__(self, camera: str, shape: tuple[int, int]) -> None:
        super().__init__()
        scale, angle = NOMINAL.get(camera, _USUAL)
        self.given = QtWidgets.QCheckBox("it is known where the first frame looked")
        self.ra = NumberBox(minimum=0, maximum=360, decimals=6, suffix="°")
        self.dec = NumberBox(minimum=-90, maximum=90, decimals=6, suffix="°")
        self.x = NumberBox(minimum=-1e4, maximum=1e4, decimals=2, value=(shape[0] - 1) / 2)
        self.y = NumberBox(minimum=-1e4, maximum=1e4, decimals=2, value=(shape[1] - 1) / 2)
        self.scale = NumberBox(minimum=0.01, maximum=1e5, decimals=2, value=scale, suffix=" mas")
        self.angle = NumberBox(minimum=-360, maximum=360, decimals=2, value=angle, suffix="°")
        names = ("Right ascension", "Declination", "Column", "Row", "Plate scale", "Position angle")
        self._boxes = (self.ra, self.dec, self.x, self.y, self.scale, self.angle)
        for box, name in zip(self._boxes, names, strict=True):
            box.setAccessibleName(name)
            box.valueChanged.connect(self.changed)
        self.angle.setToolTip("Of the rows (increasing y), east of north")
        label = QtWidgets.QLabel
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self._rows = QtWidgets.QWidget()
        rows = QtWidgets.QVBoxLayout(self._rows)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(6)
        for row in (
            (label("RA"), self.ra, label("Dec"), self.dec),
            (label("at column"), self.x, label("row"), self.y),
            (label("a pixel is"), self.scale, label("rows at"), self.angle),
        ):
            rows.addWidget(side_by_side(*row))
        column.addWidget(self.given)
        column.addWidget(self._rows)
        self.given.toggled.connect(self._on_tick)
        self._on_tick()

    def pointing(self) -> Pointing | None:
        """Return what is filled in, None without the tick.

        Raises
        ------
        ConfigError
            If it is impossible.
        """
        if not self.given.isChecked():
            return None
        pixel = (self.x.value(), self.y.value())
        return Pointing(
            self.ra.value(), self.dec.value(), pixel, self.scale.value(), self.angle.value()
        )

    @Slot()
    def _on_tick(self) -> None:
        self._rows.setVisible(self.given.isChecked())
        self.changed.emit()
