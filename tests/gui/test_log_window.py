"""The observing log beside photons: it follows the time range."""

from window_rig import at_rest, marked


def test_the_log_follows_the_time_range_of_photons(qtbot, opened, tmp_path):
    start = opened.session.file.start_unix
    path = tmp_path / "night.log"
    path.write_text(f"{start - 5} before\n{start + 2} filter changed\n")
    opened.log_control.open_paths((path,))
    at_rest(qtbot, opened)
    assert marked(opened)[3] == "before"
    opened.session.set_time_range(1.999, 3.0)
    assert marked(opened)[3] == "before"
    opened.session.set_time_range(2.0, 3.0)
    assert marked(opened)[3] == "filter changed"
    assert "0.0 s earlier" in opened.log.detail
    opened.session.set_time_range(0.0, 1.0)
    assert marked(opened)[3] == "before"
