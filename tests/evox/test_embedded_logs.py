"""Logs stay bounded and say what went wrong."""

from __future__ import annotations

from evox.embedded.logs import ChildLog


def test_a_log_never_outgrows_its_cap_and_keeps_two_older_ones(tmp_path):
    log = ChildLog(tmp_path / "web.log", echo=False, cap=100)
    for number in range(100):
        log.write(f"line {number:04}\n".encode())
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["web.log", "web.log.1", "web.log.2"]
    assert all(file.stat().st_size <= 100 for file in files)
    assert "line 0099" in files[0].read_text()


def test_the_complaint_is_the_last_line_that_names_an_error(tmp_path):
    log = ChildLog(tmp_path / "web.log", echo=False)
    assert log.complaint() == ""
    for line in (b"RuntimeError: broken\n", b"[INFO] shut down\n", b"\n"):
        log.write(line)
    assert log.complaint() == "RuntimeError: broken"


def test_a_log_that_can_not_be_written_stops_nobody(tmp_path):
    log = ChildLog(tmp_path / "no" / "such" / "folder", echo=False)
    log.write(b"lost\n")
    assert log.complaint() == "lost"


def test_output_is_shown_when_wanted(tmp_path, capsys):
    ChildLog(tmp_path / "web.log", echo=True).write(b"hello\n")
    assert capsys.readouterr().out == "web      | hello\n"
