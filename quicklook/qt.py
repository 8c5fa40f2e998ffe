"""The one door to Qt and pyqtgraph, so that the binding is named in a single place.

PyQt5 is imported first: pyqtgraph would otherwise take another binding that happens to be installed.
"""

from __future__ import annotations

# isort: off
from PyQt5 import QtCore, QtGui, QtSvg, QtWidgets
import pyqtgraph as pg
# isort: on

Qt = QtCore.Qt
Signal = QtCore.pyqtSignal
Slot = QtCore.pyqtSlot

__all__ = ["Qt", "QtCore", "QtGui", "QtSvg", "QtWidgets", "Signal", "Slot", "pg"]
