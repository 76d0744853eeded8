from __future__ import annotations

import errno
import gzip
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lippycat_core.cli import main

Lc = Callable[..., subprocess.CompletedProcess[str]]


def records(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_packets_are_listed_as_json_lines_in_a_pipe(lc: Lc, capture: Path) -> None:
    done = lc("sniff", "-r", capture)
    *packets, summary = records(done)
    assert (done.returncode, done.stderr) == (0, "")
    assert packets[1] == {
        "record": "packet",
        "schema": 1,
        "frame": 2,
        "ts": "2023-11-14T22:13:20.001000000Z",
        "ts_ns": 1_700_000_000_001_000_000,
        "caplen": 47,
        "wirelen": 47,
        "link": 1,
        "src": "10.0.0.1:1001",
        "dst": "10.0.0.2:5000",
        "proto": "udp",
        "length": 5,
        "flags": None,
        "status": "decoded",
    }
    assert summary["record"] == "summary"
    assert summary["packets"] == 5
    assert summary["accounting"] == {"captured": 5, "delivered": 5, "filtered": 0, "dropped": {}, "undecodable": {}}


def test_text_is_aligned_and_its_summary_stands_on_standard_error(lc: Lc, capture: Path) -> None:
    done = lc("sniff", "-r", capture, "--format", "text")
    lines = done.stdout.splitlines()
    assert lines[0] == "      1 22:13:20.000000 10.0.0.1:1000         > 10.0.0.2:5000         udp length 4"
    assert len({line.index("udp") for line in lines}) == 1
    assert re.fullmatch(r"5 packets; [\d.]+ s, pure\n", done.stderr)


def test_quiet_has_no_summary_on_standard_error(lc: Lc, capture: Path) -> None:
    assert lc("sniff", "-qr", capture, "--format=text").stderr == ""
    assert lc("sniff", "-r", capture, "--format=text", "--quiet=false").stderr != ""


def test_count_ends_the_run_with_that_packet(lc: Lc, capture: Path) -> None:
    *packets, summary = records(lc("sniff", "-r", capture, "-c", "2"))
    assert [packet["frame"] for packet in packets] == [1, 2]
    assert summary["packets"] == 2


def test_the_filter_decides_what_is_listed_and_is_counted(lc: Lc, capture: Path) -> None:
    pytest.importorskip("pcapy", reason="pcapy-ng is not installed: -f not tested")
    *packets, summary = records(lc("sniff", "-r", capture, "-f", "src port 1001 or src port 1003", "-c", "2"))
    assert [packet["frame"] for packet in packets] == [2, 4]
    assert summary["accounting"] == {"captured": 4, "delivered": 2, "filtered": 2, "dropped": {}, "undecodable": {}}


def test_written_packets_are_not_listed_unless_a_format_says_so(lc: Lc, capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    done = lc("sniff", "-r", capture, "-w", out, "-c", "3")
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch(r"3 packets; [\d.]+ s, pure\n", done.stderr)
    again = records(lc("sniff", "-r", out, "-w", tmp_path / "again.pcapng", "--format", "json"))
    assert len(again) == 4


def test_two_outputs_into_one_pipe_are_refused(lc: Lc, capture: Path) -> None:
    expect(lc("sniff", "-r", capture, "-w", "-", "--format", "json"), 2, "standard output")


def test_a_capture_can_be_written_into_a_pipe_and_read_from_one(lc: Lc, capture: Path) -> None:
    with capture.open("rb") as stream:
        assert len(records(lc("sniff", "-r", "-", stdin=stream))) == 6


def test_several_files_globs_and_directories_are_merged(lc: Lc, capture: Path, tmp_path: Path) -> None:
    (tmp_path / "six.pcap").write_bytes(capture.read_bytes())
    for source in (tmp_path, tmp_path / "*.pcap"):
        times = [record["ts_ns"] for record in records(lc("sniff", "-r", source))[:-1]]
        assert len(times) == 10
        assert times == sorted(times)


@pytest.mark.parametrize("options", [["--threads", "2"], ["--batch-packets", "1"], ["--batch-packets", "3", "--threads", "2"]])
def test_the_list_does_not_depend_on_how_it_was_made(lc: Lc, capture: Path, options: list[str]) -> None:
    assert records(lc("sniff", "-r", capture, *options))[:-1] == records(lc("sniff", "-r", capture))[:-1]


# -- bad input: one line, and the code of docs/output.md ------------------------------------------------------------------


def expect(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    lines = [line for line in done.stderr.splitlines() if line.startswith("lc: ")]
    assert len(lines) == len(done.stderr.splitlines()) == 1, done.stderr
    assert done.returncode == code
    assert all(word in lines[0] for word in words), lines[0]


def test_a_file_that_is_no_capture(lc: Lc, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no packets here, only words and words")
    done = lc("sniff", "-r", tmp_path / "notes.txt")
    expect(done, 2, "notes.txt")
    assert done.stdout == ""


def test_a_directory_without_captures(lc: Lc, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("words")
    expect(lc("sniff", "-r", tmp_path), 2, str(tmp_path), "capture")


def test_an_empty_file(lc: Lc, tmp_path: Path) -> None:
    (tmp_path / "empty.pcap").touch()
    expect(lc("sniff", "-r", tmp_path / "empty.pcap"), 2, "empty.pcap")


def test_a_path_that_is_not_there(lc: Lc, tmp_path: Path) -> None:
    expect(lc("sniff", "-r", tmp_path / "gone.pcap"), 2, "gone.pcap")


def test_a_path_that_may_not_be_read(capture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    really_open = os.open

    def refuse(path: str, *args: int, **options: int) -> int:
        if os.fspath(path) == str(capture):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return really_open(path, *args, **options)

    monkeypatch.setattr(os, "open", refuse)  # root, who may run these tests, can read whatever the mode
    assert main.run(["sniff", "-r", str(capture)]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith("lc: ")
    assert "five.pcap" in line
    assert "ermission" in line


def test_a_glob_without_a_match(lc: Lc, tmp_path: Path) -> None:
    expect(lc("sniff", "-r", tmp_path / "*.pcap"), 2, "*.pcap")


def test_a_cut_file_is_read_to_the_cut(lc: Lc, capture: Path) -> None:
    capture.write_bytes(capture.read_bytes()[:-3])
    done = lc("sniff", "-r", capture)
    expect(done, 1, "five.pcap", "truncated")
    assert records(done)[-1]["packets"] == 4
    tolerated = lc("sniff", "-r", capture, "--tolerate-truncation")
    expect(tolerated, 0, "truncated")


def test_a_corrupt_record_is_read_up_to(lc: Lc, capture: Path) -> None:
    raw = bytearray(capture.read_bytes())
    raw[24 + 62 + 8 : 24 + 62 + 12] = b"\xff\xff\xff\x7f"
    capture.write_bytes(raw)
    done = lc("sniff", "-r", capture)
    expect(done, 1, "corrupt")
    assert records(done)[-1]["packets"] == 1


def test_a_cut_compressed_file(lc: Lc, many: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap.gz"
    cut.write_bytes(gzip.compress(many.read_bytes())[:-40])
    expect(lc("sniff", "-r", cut, "-w", tmp_path / "out.pcap", "-q"), 1, "cut.pcap.gz", "truncated")


def test_a_header_without_records_is_fine(lc: Lc, capture: Path) -> None:
    capture.write_bytes(capture.read_bytes()[:24])
    done = lc("sniff", "-r", capture)
    assert (done.returncode, done.stderr) == (0, "")
    assert records(done)[-1]["packets"] == 0


def test_an_output_that_cannot_be_written(lc: Lc, capture: Path, tmp_path: Path) -> None:
    expect(lc("sniff", "-r", capture, "-w", tmp_path / "no" / "out.pcap"), 1, "out.pcap")


def test_the_input_is_never_overwritten(lc: Lc, capture: Path) -> None:
    before = capture.read_bytes()
    expect(lc("sniff", "-r", capture, "-w", capture), 2, "five.pcap")
    assert capture.read_bytes() == before


def test_a_full_disk(lc_path: Path, capture: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [str(lc_path), "sniff", "-r", str(capture)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    expect(done, 1, "cannot write the results")


def test_a_bad_filter(lc: Lc, capture: Path) -> None:
    pytest.importorskip("pcapy", reason="pcapy-ng is not installed: -f not tested")
    expect(lc("sniff", "-r", capture, "-f", "prot 5060"), 2, "prot 5060")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--compiler", "smid"], ["compiler", "smid"]),
        (["--threads", "9"], ["threads", "9"]),
        (["--batch-packets", "0"], ["batch.packets", "0"]),
        (["--config", "/no/such/file.yaml"], ["/no/such/file.yaml"]),
    ],
)
def test_a_bad_setting(lc: Lc, capture: Path, options: list[str], words: list[str]) -> None:
    expect(lc("sniff", "-r", capture, *options), 2, *words)


def test_an_unknown_setting_of_the_environment(lc: Lc, capture: Path) -> None:
    expect(lc("sniff", "-r", capture, env={"LIPPYCAT_THREAD": "2"}), 2, "thread", "threads")
