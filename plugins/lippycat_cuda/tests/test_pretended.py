"""The whole plugin on a driver that only pretends to have GPUs: NVIDIA's bindings, streams, memory and arguments are the real
ones, the kernels are compiled for the host, and what is queued happens as late as it may (`pretended_libcuda.c`)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from lippycat_core.gpu.source import Language, header, kernel_names, source

HERE = Path(__file__).parent
COMPILER = shutil.which("gcc") or shutil.which("clang")


def installed(*distributions: str) -> bool:
    try:
        return all(version(name) for name in distributions)
    except PackageNotFoundError:
        return False


pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no C compiler: the CUDA plugin does not run on a pretended driver"),
    pytest.mark.skipif(
        not installed("cuda-bindings", "nvidia-cuda-nvrtc"),
        reason="cuda-bindings and nvidia-cuda-nvrtc are not installed: the CUDA plugin does not run on a pretended driver",
    ),
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a libcuda.so.1 that holds the kernels."""
    assert COMPILER is not None
    folder = tmp_path_factory.mktemp("driver")
    words = (HERE / "host.h").read_text()
    text = source(Language.CUDA).replace(header(Language.CUDA), words)
    assert text.startswith(words)
    plain = subprocess.run([COMPILER, "-E", "-P", "-x", "c", "-"], input=text, capture_output=True, text=True, check=True).stdout
    rows = []
    for name in kernel_names(source(Language.CUDA)):
        arguments = re.search(rf"void {name}\((.*?)\)", plain, re.S)
        assert arguments is not None
        rows.append(f'{{"{name}", (void *){name}, {arguments[1].count(",") + 1}}}')
    rows.append("{0, 0, 0}")
    table = f"static const struct {{ const char *name; void *function; int count; }} kernels[] = {{{', '.join(rows)}}};"
    program = folder / "libcuda.c"
    program.write_text("\n".join([text, table, (HERE / "pretended_libcuda.c").read_text()]))
    flags = ("-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing")
    command = [COMPILER, *flags, "-o", str(folder / "libcuda.so.1"), str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def python(driver: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(driver), **environment}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_suites(driver: Path, tmp_path: Path) -> None:
    tests = str(HERE / "test_conformance.py")
    done = python(
        driver,
        "-m",
        "pytest",
        tests,
        "-q",
        "-p",
        "no:cacheprovider",
        LIPPYCAT_TEST_SCALE="0.05",
        LIPPYCAT_TEST_CACHE=str(tmp_path),
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert re.search(r"^\d{3} passed", done.stdout, re.M), done.stdout


def test_pycuda_is_taken_where_it_is(driver: Path, tmp_path: Path) -> None:
    """It stands in for pycuda (`as_pycuda`), so this is about our side alone."""
    program = "from lippycat_cuda.device import open_driver; print(type(open_driver(1)).__name__, open_driver(1).name)"
    shim = str(HERE / "as_pycuda")
    assert python(driver, "-c", program, PYTHONPATH=shim).stdout.strip() == "PycudaDriver Pretended GPU B"
    chosen = "Device or two_submissions or hits_come_by or several_names"
    tests = str(HERE / "test_conformance.py")
    variables = {"LIPPYCAT_TEST_SCALE": "0.05", "LIPPYCAT_TEST_CACHE": str(tmp_path), "PYTHONPATH": shim}
    done = python(driver, "-m", "pytest", tests, "-q", "-p", "no:cacheprovider", "-k", chosen, **variables)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert re.search(r"^\d{2} passed", done.stdout, re.M), done.stdout


def test_a_gpu_is_chosen_by_number_or_name(driver: Path, tmp_path: Path) -> None:
    program = """
import sys
from lippycat_core.errors import SettingError
from lippycat_cuda.provider import CudaProvider
assert CudaProvider().probe().priority == 90
for wanted, name in ((None, "A"), ("", "A"), (1, "B"), ("1", "B"), ("gpu b", "B")):
    backend = CudaProvider().open(device=wanted, max_memory=10_000_000, cache_dir=sys.argv[1], other="ignored")
    assert (backend.name, backend.device, backend.memory) == ("cuda", f"Pretended GPU {name}", 10_000_000)
    backend.close()
backend = CudaProvider().open(cache_dir=sys.argv[1])
assert 200_000_000 < backend.memory < 260_000_000  # most of what is free
backend.close()
try:
    CudaProvider().open(device="2")
except SettingError as error:
    print(error)
"""
    done = python(driver, "-c", program, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "device 2: CUDA has no such device; there are 0: Pretended GPU A, 1: Pretended GPU B"


def test_a_gpu_that_fails_says_so_once_for_each_submission(driver: Path) -> None:
    program = """
import numpy as np
from lippycat_core.errors import DeviceFailed
from lippycat_core.interfaces.match import Anchor, Pattern, PatternSet, Spans
from lippycat_cuda.provider import CudaProvider
backend = CudaProvider().open()
matcher = backend.compile(PatternSet([Pattern(b"a", Anchor.CONTAINS)]))
spans = Spans(np.frombuffer(b"aa", np.uint8), np.zeros(1, np.int32), np.array([2], np.int32))
failures = 0
for _ in range(20):
    try:
        matcher.submit(spans)
        assert matcher.collect().offset.tolist() == [0, 1]
    except DeviceFailed as error:
        failures += 1
        assert str(error) == "Pretended GPU A: unspecified launch failure", error
print(failures)
matcher.close()
backend.close()
"""
    done = python(driver, "-c", program, PRETENDED_CUDA_FAILS="5")
    assert done.returncode == 0, done.stderr
    assert 10 < int(done.stdout) < 20


def test_backends_may_be_opened_in_one_thread_and_used_in_another(driver: Path) -> None:
    program = """
import threading
import numpy as np
from lippycat_core.interfaces.match import Spans
from lippycat_cuda.provider import CudaProvider
backend = CudaProvider().open()
found = []
def use():
    extractor = backend.extractor([b"i"])
    extractor.submit(Spans(np.frombuffer(b"i: a", np.uint8), np.zeros(1, np.int32), np.array([4], np.int32)))
    found.append(extractor.collect())
    extractor.close()
thread = threading.Thread(target=use)
thread.start()
thread.join()
backend.close()
print(found[0].offset[0], found[0].length[0])
"""
    done = python(driver, "-c", program)
    assert (done.stdout.split(), done.stderr) == (["3", "1"], "")
