"""Places of chunks in a file: as HDF5 tells them one by one."""

import shutil

import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from observations import make_observation

from pipeline_core import ObsFile, summaries
from pipeline_core.chunk_places import find_places
from pipeline_core.chunkcodec import CHUNK_ROWS
from pipeline_core.photon_reader import PhotonReader


class Info:
    filter_mask = 0

    def __init__(self, offset, size):
        self.offset, self.size = offset, size


class Table:
    """Tells places one by one, and counts how often it is asked."""

    def __init__(self, offsets, sizes):
        self.places = list(zip(offsets, sizes, strict=True))
        self.asked = 0

    def chunk_info(self, coordinates):
        self.asked += 1
        return Info(*self.places[coordinates[0] // CHUNK_ROWS])


@given(
    st.lists(
        st.tuples(st.integers(1, 400), st.sampled_from([0, 0, 0, 0, 7, 2096])),
        min_size=1,
        max_size=80,
    )
)
def test_gaps_are_found(chunks):
    sizes = [size for size, _ in chunks]
    steps = [size + gap for size, gap in chunks]
    offsets = 4096 + np.cumsum([0, *steps[:-1]])
    table = Table(offsets.tolist(), sizes)
    np.testing.assert_array_equal(find_places(table, sizes), np.transpose([offsets, sizes]))


def test_few_questions_are_asked():
    sizes = np.random.default_rng(2).integers(300_000, 400_000, 15_000)
    gaps = np.where(np.arange(15_000) % 64 == 63, 2096, 0)
    offsets = np.cumsum(sizes + gaps) - sizes
    table = Table(offsets.tolist(), sizes.tolist())
    np.testing.assert_array_equal(find_places(table, sizes.tolist())[:, 0], offsets)
    assert table.asked < 3000


def test_chunks_of_other_sizes_are_not_guessed():
    assert find_places(Table([0, 10, 20], [10, 10, 10]), [10, 10, 11]) is None
    table = Table([0, 10, 20], [10, 10, 10])
    table.places[0] = (None, None)
    assert find_places(table, [10, 10, 10]) is None


@pytest.fixture(scope="module")
def observation(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summaries, "LEAST_PHOTONS", 0)
        rates = np.full((3, 2), 20_000.0)  # four chunks
        return make_observation(tmp_path_factory.mktemp("places"), rates)


def test_a_file_knows_where_its_chunks_are(observation, monkeypatch):
    path, truth = observation
    with tables.open_file(str(path)) as h5:
        table, places = h5.root.Photons.PhotonTable, h5.root.mkid.chunks[:]
        assert places.shape == (-(-table.nrows // CHUNK_ROWS), 2)
        assert len(places) > 3
        for k, place in enumerate(places.tolist()):
            info = table.chunk_info((k * CHUNK_ROWS,))
            assert place == [info.offset, info.size]
    with ObsFile(path) as obs:
        monkeypatch.setattr(tables.Table, "chunk_info", None)  # is not asked any more
        for pixel, (times, _) in truth.items():
            np.testing.assert_array_equal(obs.photons(pixel)["time"], times)
        image = obs.count_image(0.1234, 1.4321)
        inside = (truth[1, 1][0] >= 123_400) & (truth[1, 1][0] < 1_432_100)
        assert image[1, 1] == np.count_nonzero(inside)


@pytest.mark.parametrize("which", ["first", "last", "number", "repacked"])
def test_places_of_another_file_are_not_believed(observation, tmp_path, which):
    path = tmp_path / "changed.h5"
    if which == "repacked":
        with tables.open_file(str(observation[0])) as h5:
            h5.copy_file(str(path))
    else:
        shutil.copy(observation[0], path)
        path.chmod(0o644)
        with tables.open_file(str(path), "r+") as h5:
            if which == "number":
                places = h5.root.mkid.chunks[:-1]
                h5.remove_node("/mkid/chunks")
                h5.create_array("/mkid", "chunks", places)
            else:
                k = 0 if which == "first" else -1
                h5.root.mkid.chunks[k, 0] += 8
    with ObsFile(path) as obs, ObsFile(observation[0]) as true:
        assert not obs._file._reader.chunks.knows_places
        assert true._file._reader.chunks.knows_places
        mine, theirs = obs.photons((1, 1)), true.photons((1, 1))
        np.testing.assert_array_equal(mine["time"], theirs["time"])
        window = 0.1234, 1.4321
        np.testing.assert_array_equal(obs.count_image(*window), true.count_image(*window))


def test_older_files_have_none(tmp_path):
    path, _ = make_observation(tmp_path, np.full((3, 2), 50.0))
    with ObsFile(path) as obs:
        assert isinstance(obs._file._reader, PhotonReader)
        assert not obs._file._reader.chunks.knows_places
