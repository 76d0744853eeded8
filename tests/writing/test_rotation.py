"""Files one behind the other: every packet once and in order, each file whole, boundaries that no batch size moves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lippycat_core.errors import UsageError
from lippycat_core.kernelset import KernelSet
from lippycat_core.testing.packets import Record
from lippycat_core.writing.crew import Crew
from lippycat_core.writing.files import FileFacts, Opener
from lippycat_core.writing.packing import form_of
from lippycat_core.writing.rotation import RotatingWriter, Rotation

SECOND = 10**9
START = 1_764_097_500 * SECOND  # 2025-11-25 19:05:00 UTC
RECORDS = [Record(START + i * SECOND // 2, bytes([i % 256]) * (20 + i * 37 % 300), 400) for i in range(200)]


def rotating(
    path: Path, rotation: Rotation, threads: int = 1, packing: str = "", finished: list[FileFacts] | None = None
) -> tuple[RotatingWriter, Crew]:
    crew = Crew(threads)
    opener = Opener(crew)
    told = [] if finished is None else finished
    made = RotatingWriter(
        str(path), rotation, lambda name, ng: opener.open(name, pcapng=ng, packing=packing, exclusive=True), told.append
    )
    return made, crew


def made_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != "poured.pcap")


@pytest.mark.parametrize("name", ["out.pcap", "out.pcapng", "out.pcap.zst", "out.pcapng.gz"])
def test_every_packet_is_in_one_file_in_order(tmp_path: Path, pour: Any, read_back: Any, kernels: KernelSet, name: str) -> None:
    facts: list[FileFacts] = []
    writer, crew = rotating(tmp_path / name, Rotation(packets=30), packing=form_of(name).packing, finished=facts)
    pour(RECORDS, writer, 7, kernels)
    crew.close()
    files = made_in(tmp_path)
    assert [len(read_back(path).packets) for path in files] == [30] * 6 + [20]
    assert [record for path in files for record in read_back(path).packets] == RECORDS
    assert files[0].name == f"out_00001_20251125T190500Z{name[3:]}"
    assert [(fact.path, fact.packets) for fact in facts] == [(str(path), len(read_back(path).packets)) for path in files]
    assert all(fact.nbytes == os.stat(fact.path).st_size for fact in facts)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    capacity=st.sampled_from([1, 3, 64, 4096]),
    threads=st.sampled_from([1, 3]),
    nbytes=st.sampled_from([0, 400, 2000, 9000]),
    packets=st.sampled_from([0, 1, 17]),
    seconds=st.sampled_from([0, 7, 60]),
)
def test_boundaries_depend_on_nothing_but_the_packets(
    tmp_path_factory: pytest.TempPathFactory,
    pour: Any,
    read_back: Any,
    capacity: int,
    threads: int,
    nbytes: int,
    packets: int,
    seconds: int,
) -> None:
    folder = tmp_path_factory.mktemp("run")
    writer, crew = rotating(folder / "x.pcap", Rotation(nbytes, seconds * SECOND, packets), threads)
    pour(RECORDS[:90], writer, capacity)
    crew.close()
    wanted: list[list[Record]] = []
    size = 0
    for record in RECORDS[:90]:
        cost = 16 + len(record.data)
        begun = wanted[-1] if wanted else []
        if (
            not begun
            or (packets and len(begun) >= packets)
            or (nbytes and size + cost > nbytes)
            or (seconds and record.ts_ns // (seconds * SECOND) > begun[0].ts_ns // (seconds * SECOND))
        ):
            wanted.append([])
            size = 128
        wanted[-1].append(record)
        size += cost
    assert [read_back(path).packets for path in sorted(folder.iterdir())] == wanted


def test_an_hours_file_begins_with_the_hour(tmp_path: Path, pour: Any) -> None:
    hour = 3600 * SECOND
    times = [START, START + 54 * 60 * SECOND, START + 55 * 60 * SECOND, START + 3 * hour]  # 19:05, 19:59, 20:00, 22:05
    writer, crew = rotating(tmp_path / "x.pcap", Rotation(interval_ns=hour))
    pour([Record(at, b"p", 1) for at in times], writer)
    crew.close()
    assert [path.name[8:] for path in made_in(tmp_path)] == [
        "20251125T190500Z.pcap",
        "20251125T200000Z.pcap",
        "20251125T220500Z.pcap",
    ]


def test_another_runs_files_are_neither_overwritten_nor_removed(tmp_path: Path, pour: Any, read_back: Any) -> None:
    for count in (200, 100):
        writer, crew = rotating(tmp_path / "x.pcap", Rotation(packets=50, keep=1 if count == 100 else 0))
        pour(RECORDS[:count], writer)
        crew.close()
    files = made_in(tmp_path)
    assert [path.name[:7] for path in files] == ["x_00001", "x_00002", "x_00003", "x_00004", "x_00006"]
    assert [len(read_back(path).packets) for path in files] == [50] * 5


def test_a_name_that_is_taken_meanwhile_is_passed_by(tmp_path: Path, pour: Any) -> None:
    writer, crew = rotating(tmp_path / "x.pcap", Rotation(packets=500))
    taken = tmp_path / "x_00001_20251125T190500Z.pcap"
    taken.write_bytes(b"theirs")
    pour(RECORDS, writer)
    crew.close()
    assert taken.read_bytes() == b"theirs"
    assert [path.name[:7] for path in made_in(tmp_path)] == ["x_00001", "x_00002"]


def test_a_total_is_never_exceeded_and_the_newest_files_stay(tmp_path: Path, pour: Any, read_back: Any) -> None:
    sizes: list[int] = []
    crew = Crew(1)
    opener = Opener(crew)

    def opened(name: str, pcapng: bool) -> Any:
        sizes.append(sum(path.stat().st_size for path in made_in(tmp_path)))
        return opener.open(name, pcapng=pcapng, exclusive=True)

    pour(RECORDS, RotatingWriter(str(tmp_path / "x.pcap"), Rotation(total=20_000), opened))
    files = made_in(tmp_path)
    sizes.append(sum(path.stat().st_size for path in files))
    assert max(sizes) <= 20_000
    assert len(sizes) > 12
    kept = [record for path in files for record in read_back(path).packets]
    assert kept == RECORDS[-len(kept) :]


@pytest.mark.parametrize(
    ("rotation", "said"),
    [
        (Rotation(keep=3), "--rotate-keep: says how many files stay, but not when one ends"),
        (Rotation(nbytes=1000, total=1000), "--rotate-total: is less than one file of --rotate-size"),
        (Rotation(total=10), "--rotate-total: 10 bytes hold not even one file: make it 8192 at least"),
    ],
)
def test_bounds_that_do_not_go_together(tmp_path: Path, rotation: Rotation, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        rotating(tmp_path / "x.pcap", rotation)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing: No such file or directory: make the folder"):
        rotating(tmp_path / "missing" / "x.pcap", Rotation(packets=1))
