from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from lippycat_core.builtin.files import open_source
from lippycat_core.builtin.jsonlines import JsonLines
from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.cli.kernels import WORTH_COMPILING, WORTH_LOADING, PatientCompiler, compiler_for, input_bytes, needed
from lippycat_core.host.discovery import Host
from lippycat_core.host.settings import load_settings
from lippycat_core.kernels.merge import merge
from lippycat_core.kernels.pack import pack_pcap
from lippycat_core.kernels.walk import walk_pcap, walk_pcapng
from lippycat_core.kernelset import Interpreted, Kernel, KernelSet
from lippycat_core.testing.packets import write_pcap
from lippycat_core.testing.pcapng import Blocks


class FakeCompiler:
    name = "fake"

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.calls: list[str] = []

    def ready(self, kernels: Sequence[Kernel]) -> bool:
        return self.full

    def load(self, kernels: Sequence[Kernel]) -> KernelSet:
        self.calls.append("load")
        return Interpreted()

    def start(self, kernels: Sequence[Kernel]) -> None:
        self.calls.append("start")

    def problem(self) -> str:
        return ""

    def close(self) -> None:
        self.calls.append("close")


def test_a_small_input_does_not_look_for_machine_code() -> None:
    inner = FakeCompiler(full=True)
    patient = PatientCompiler(inner, 1000)
    assert not patient.ready([])
    patient.note(WORTH_LOADING - 1)
    assert not patient.ready([])
    assert inner.calls == []


def test_a_middling_input_takes_what_is_compiled_and_compiles_nothing() -> None:
    assert PatientCompiler(FakeCompiler(full=True), WORTH_LOADING).ready([])
    inner = FakeCompiler()
    patient = PatientCompiler(inner, WORTH_COMPILING - 1)
    assert not patient.ready([])
    assert inner.calls == []


def test_a_large_input_starts_to_compile_once_and_changes_over() -> None:
    inner = FakeCompiler()
    patient = PatientCompiler(inner, WORTH_COMPILING)
    assert not patient.ready([])
    assert not patient.ready([])
    assert inner.calls == ["start"]
    inner.full = True
    assert patient.ready([])


def test_a_pipe_is_small_until_it_proves_to_be_large() -> None:
    patient = PatientCompiler(FakeCompiler(full=True), None)
    assert not patient.ready([])
    patient.note(WORTH_COMPILING)
    assert patient.ready([])


def test_sizes_are_those_of_the_packets_not_of_the_compressed_files(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.pcap", tmp_path / "b.pcap.gz"
    plain.write_bytes(bytes(1000))
    packed.write_bytes(gzip.compress(bytes(range(256)))[:200])
    assert input_bytes([str(plain)]) == 1000
    assert input_bytes([str(plain), str(packed)]) == 1000 + 5 * 200
    assert input_bytes([str(plain), "-"]) is None


@pytest.fixture
def large(tmp_path: Path) -> str:
    file = tmp_path / "large.pcap"
    with file.open("wb") as stream:
        stream.truncate(WORTH_COMPILING)
    return str(file)


def test_who_compiles_is_settled_by_size_and_setting(large: str, tmp_path: Path) -> None:
    pytest.importorskip("lippycat_simd", reason="lippycat-simd is not installed: no compiler to choose")
    small = tmp_path / "small.pcap"
    small.write_bytes(bytes(24))

    def chosen(file: str, **flags: str) -> PatientCompiler | None:
        settings = load_settings({"cache_dir": str(tmp_path), **flags}, environ={}, home=tmp_path)
        return compiler_for(Host(settings), [file])

    assert chosen(str(small)) is None
    assert chosen(large, compiler="pure") is None
    assert chosen(large, compiler="auto") is not None
    asked_for = chosen(str(small), compiler="simd")
    assert asked_for is not None
    assert asked_for.name == "simd"


def test_each_kernel_is_needed_once() -> None:
    plain, filtered = needed([], filtered=False), needed([], filtered=True)
    assert len(plain) == len(set(plain))
    assert set(plain) < set(filtered)


def test_only_what_reads_and_writes_this_run_is_needed(tmp_path: Path) -> None:
    one, two, out = tmp_path / "one.pcap", tmp_path / "two.pcapng", tmp_path / "out.pcap"
    write_pcap(one, [])
    two.write_bytes(Blocks("<").section())
    plain = set(needed([], filtered=False))

    def added(*parts: object) -> set[Kernel]:
        return set(needed(parts, filtered=False)) - plain

    source = open_source([str(one)], Interpreted())
    writer = PcapWriter(str(out))
    merged = open_source([str(one), str(two)], Interpreted())
    assert added(source) == {walk_pcap}
    assert added(merged) == {merge, walk_pcap, walk_pcapng}
    assert added(source, writer) == {walk_pcap, pack_pcap}
    assert added(JsonLines(io.BytesIO()), source) == {walk_pcap}
    for opened in (source, merged, writer):
        opened.close()
