"""Packets sorted into groups: each file has what a plain dictionary would have, whatever room, batches and threads there are."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin.files import open_source
from lippycat_core.kernelset import KernelSet
from lippycat_core.testing.packets import Record, write_pcap
from lippycat_core.testing.pcapng import Blocks
from lippycat_core.writing.crew import Crew
from lippycat_core.writing.files import FileFacts
from lippycat_core.writing.groups import GroupFiles, Held
from lippycat_core.writing.manyfiles import ManyFiles, Target, make_folders

START = 1_764_097_500 * 10**9


def made(folder: Path, kernels: KernelSet, *, pcapng: bool = True, threads: int = 1, most_open: int = 2) -> Any:
    crew = Crew(threads)
    failed: list[str] = []
    many = ManyFiles(crew.lanes, most_open, lambda path, error: failed.append(path), pcapng=pcapng)
    groups = GroupFiles(many, crew, nbytes=1 << 20, pcapng=pcapng)
    groups.bind(kernels)
    return groups, crew, many, failed


@pytest.mark.parametrize("seed", range(8))
def test_each_group_gets_its_packets_in_order(tmp_path: Path, kernels: KernelSet, read_back: Any, seed: int) -> None:
    chance = random.Random(seed)
    count = chance.choice([1, 40, 300])
    records = [Record(START + i * 10**6, chance.randbytes(chance.choice([0, 1, 60, 4091, 4096, 9000])), 9999) for i in range(900)]
    write_pcap(tmp_path / "in.pcap", records)
    pcapng = chance.random() < 0.5
    groups, crew, many, failed = made(tmp_path, kernels, pcapng=pcapng, threads=chance.choice([1, 3]))
    numbers = [groups.group() for _ in range(count)]
    wanted: dict[int, list[Record]] = {number: [] for number in numbers}
    for number in numbers:
        groups.begin(number, str(tmp_path / "out" / f"{number}.cap"), ["comment"])
    source = open_source([str(tmp_path / "in.pcap")], kernels)
    source.bind(kernels)
    batch = Batch(kernels, capacity=chance.choice([1, 50, 4096]))
    at = 0
    batch.clear(1)
    most_open = 0
    while source.fill(batch, 1000):
        tags = np.zeros(batch.capacity, np.int32)
        shared: list[int] = []
        for row in range(batch.rows):
            owners = chance.sample(numbers, min(chance.choice([0, 1, 1, 1, 2, 3]), count))
            for owner in owners:
                wanted[owner].append(records[at + row])
            if len(owners) > 1:
                mine = groups.shared(owners)
                shared += mine
                tags[row] = mine[0]
            elif owners:
                tags[row] = owners[0]
        groups.put(batch.views.slab, batch.views.frame, kernels.view(tags), 0, batch.rows)
        groups.release(shared)
        groups.look(START + (at + batch.rows) * 10**8)
        at += batch.rows
        most_open = max(most_open, many.descriptors)
        batch.clear(at + 1)
    source.close()
    done: list[FileFacts] = []
    finished = [groups.finish(number, ["the end"], done.append) for number in numbers]
    crew.close()
    many.close()
    assert failed == []
    assert most_open <= 3
    assert finished == [bool(wanted[number]) for number in numbers]
    facts = {int(Path(one.path).stem): one for one in done}
    for number in numbers:
        if wanted[number]:
            assert read_back(facts[number].path).packets == wanted[number]
            assert facts[number].packets == len(wanted[number])
            assert (facts[number].first_ns, facts[number].last_ns) == (wanted[number][0].ts_ns, wanted[number][-1].ts_ns)
    assert groups.evicted == 0
    assert sorted(groups.group() for _ in range(count)) == sorted(numbers), "numbers of finished groups are free"


def test_link_types_of_a_group_are_its_interfaces(tmp_path: Path, kernels: KernelSet, read_back: Any) -> None:
    make = Blocks()
    blocks = [make.interface(link) for link in (1, 101, 113)]
    blocks += [make.enhanced(START // 1000 + i, b"%d" % i, interface=i % 3) for i in range(12)]
    (tmp_path / "in.pcapng").write_bytes(make.section() + b"".join(blocks))
    for pcapng, left_out in ((True, 0), (False, 8)):
        groups, crew, many, failed = made(tmp_path, kernels, pcapng=pcapng)
        number = groups.group()
        groups.begin(number, str(tmp_path / f"out{pcapng}"), [])
        source = open_source([str(tmp_path / "in.pcapng")], kernels)
        source.bind(kernels)
        batch = Batch(kernels)
        batch.clear(1)
        assert source.fill(batch, 1000)
        tags = np.full(batch.capacity, number, np.int32)
        groups.put(batch.views.slab, batch.views.frame, kernels.view(tags), 0, batch.rows)
        source.close()
        groups.finish(number, [], lambda facts: None)
        crew.close()
        many.close()
        assert groups.left_out == left_out
        whole = read_back(tmp_path / "in.pcapng").packets
        assert read_back(tmp_path / f"out{pcapng}").packets == (whole if pcapng else whole[::3])
        assert not failed


def test_groups_without_a_file_lose_the_oldest_where_there_is_no_room(tmp_path: Path, kernels: KernelSet) -> None:
    groups, crew, many, _ = made(tmp_path, kernels)
    numbers = [groups.group() for _ in range(40)]
    for i, number in enumerate(numbers):
        groups.insert(number, [Held(START + i, 1, 60_000, bytes(60_000))])
    assert groups.evicted > 15
    assert [groups.held(number) for number in numbers] == [0] * groups.evicted + [1] * (40 - groups.evicted)
    crew.close()
    many.close()


def test_late_packets_find_their_place(tmp_path: Path, kernels: KernelSet, read_back: Any) -> None:
    groups, crew, many, _ = made(tmp_path, kernels)
    number, early = groups.group(), groups.group()
    groups.begin(number, str(tmp_path / "out"), [])
    held = [Held(START + i, 1, 3, b"%03d" % i) for i in range(30)]
    groups.insert(number, held[10:20])
    groups.look(START + 20 * 10**9)  # these are on disk
    groups.insert(early, held[:10])
    groups.insert(number, held[20:25])
    groups.insert(number, held[26:])
    groups.insert(number, held[25:26])
    groups.release(groups.merge(early, [number]))
    done: list[FileFacts] = []
    groups.finish(number, [], done.append)
    crew.close()
    many.close()
    assert read_back(tmp_path / "out").packets == [Record(one.ts_ns, one.data, one.wirelen) for one in held]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert done[0].packets == 30


def test_a_file_that_somebody_replaced_is_not_written(tmp_path: Path) -> None:
    failed: list[str] = []
    many = ManyFiles(1, 1, lambda path, error: failed.append(f"{path}: {error.strerror}"), pcapng=True)
    first, second = Target(str(tmp_path / "a"), 1), Target(str(tmp_path / "b"), 2)
    many.write(0, first, b"....", headed=True)
    many.write(0, second, b"....", headed=True)
    (tmp_path / "a").rename(tmp_path / "c")
    (tmp_path / "a").write_bytes(b"theirs")
    many.write(0, first, b"....", headed=False)
    many.close()
    assert failed == [f"{tmp_path / 'a'}: somebody has put another file there"]
    assert (tmp_path / "a").read_bytes() == b"theirs"


def test_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    make_folders(str(tmp_path / "a" / "b" / "c"))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")} == {0o700}
    make_folders(str(tmp_path / "a"))
    with pytest.raises(OSError, match="No such file"):
        make_folders("/proc/foo")
    with pytest.raises(OSError, match="No such file"):
        make_folders("/proc/foo/bar")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        make_folders(str(tmp_path / "file" / "x"))
