"""What was looked at of a file: kept while the same file is opened once more, calibrated or masked anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicklook.file_facts import FileFacts
    from quicklook.session import Band, Session
    from quicklook.views.image_pane import ImagePane

__all__ = ["Look", "look_of"]


@dataclass(frozen=True)
class Look:
    """Ranges and image of a file.

    Attributes
    ----------
    facts : FileFacts
    time_range : tuple of float
        [s], half-open.
    band : Band
        In the file's quantity.
    image : str
        Kind of the image.
    map_name : str
        Which speckle map it is; '' if it is none.
    """

    facts: FileFacts
    time_range: tuple[float, float]
    band: Band
    image: str
    map_name: str

    def is_of(self, facts: FileFacts) -> bool:
        """Whether a file is the same one, whatever is attached to it now."""
        mine = self.facts
        return (mine.paths, mine.file_id, mine.shape, mine.exposure_s) == (
            facts.paths,
            facts.file_id,
            facts.shape,
            facts.exposure_s,
        )


def look_of(session: Session, image: ImagePane) -> Look | None:
    """Return what is looked at; None if there is no photon file."""
    facts = session.file
    if facts is None or facts.frames is not None:
        return None
    shown = image.map.name if image.map is not None else ""
    return Look(facts, session.time_range, session.band, image.kind, shown)
