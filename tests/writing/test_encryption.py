"""Encrypted files: what was written comes back, and nothing that somebody did to it goes unseen."""

from __future__ import annotations

import base64
import errno
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="cryptography is not installed: encryption is not tested")

from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.errors import InputError, UsageError
from lippycat_core.writing.encryption import (
    _HEADER,
    CHUNK,
    RAW,
    SCRYPT,
    Cut,
    Damaged,
    EncryptedOutput,
    Key,
    Sealer,
    Secret,
    chunks,
    new_key,
    read_secret,
)

KEY = Key(Secret(bytes(range(32)), RAW))


def sealed(parts: list[bytes], key: Key = KEY) -> bytes:
    sealer = Sealer(key)
    return b"".join(map(sealer.seal, parts)) + sealer.end()


def opened(data: bytes, key: Key = KEY) -> bytes:
    return b"".join(chunks(io.BytesIO(data), key))


def as_far_as(data: bytes) -> tuple[bytes, type[Exception] | None]:
    found = b""
    try:
        for part in chunks(io.BytesIO(data), KEY):
            found += part
    except InputError as error:
        return found, type(error)
    return found, None


@settings(deadline=None)
@given(st.lists(st.binary(max_size=2000), max_size=5))
def test_it_comes_back(parts: list[bytes]) -> None:
    assert opened(sealed(parts)) == b"".join(parts)


def test_large_writes_become_chunks() -> None:
    data = os.urandom(3 * CHUNK + 17)
    assert opened(sealed([data])) == data


def test_no_two_files_are_alike() -> None:
    assert len({sealed([b"the same"])[64:] for _ in range(20)}) == 20


PARTS = [b"first" * 10, b"second" * 20, b"third" * 30]
FILE = sealed(PARTS)
SIZES = [4 + len(part) + 16 for part in PARTS]
STARTS = [_HEADER.size + sum(SIZES[:i]) for i in range(4)]
"""Of the three chunks and the last, empty one."""


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(FILE) - 1), flip=st.integers(1, 255))
def test_any_changed_byte_is_found_and_what_came_before_is_right(at: int, flip: int) -> None:
    changed = bytearray(FILE)
    changed[at] ^= flip
    found, error = as_far_as(bytes(changed))
    whole = sum(start <= at for start in STARTS[1:])
    assert error is not None
    assert found == b"".join(PARTS[:whole])


@settings(deadline=None)
@given(st.integers(0, len(FILE) - 1))
def test_any_cut_is_found_and_what_came_before_is_right(length: int) -> None:
    found, error = as_far_as(FILE[:length])
    assert error is Cut
    assert found == b"".join(part for part, end in zip(PARTS, STARTS[1:], strict=True) if end <= length)


def _moved(order: list[int]) -> bytes:
    ends = [*STARTS[1:], len(FILE)]
    return FILE[: _HEADER.size] + b"".join(FILE[STARTS[i] : ends[i]] for i in order)


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [0, 2, 3], [0, 1, 1, 2, 3], [0, 3], [3], [0, 1, 2, 3, 3], [0, 1, 2, 3, 0]])
def test_chunks_that_were_moved_left_out_or_doubled_are_found(order: list[int]) -> None:
    _, error = as_far_as(_moved(order))
    assert error in (Damaged, InputError)


def test_a_chunk_of_another_file_is_found() -> None:
    other = sealed(PARTS)
    _, error = as_far_as(FILE[: STARTS[1]] + other[STARTS[1] :])
    assert error is Damaged


def test_an_end_that_is_claimed_is_found() -> None:
    """The top bit of a length makes a chunk the last one; the nonce knows better."""
    cut = bytearray(FILE[: STARTS[2]])
    cut[STARTS[1]] |= 0x80
    assert as_far_as(bytes(cut)) == (PARTS[0], Damaged)


def test_another_key_is_an_error_before_anything_is_made() -> None:
    with pytest.raises(InputError, match="another key"):
        opened(FILE, Key(Secret(bytes(32), RAW)))
    with pytest.raises(InputError, match="a key of 32 bytes, and this key file holds another kind"):
        opened(FILE, Key(Secret(b"a long passphrase", SCRYPT)))
    with pytest.raises(InputError, match="is no file that lippycat encrypted"):
        opened(b"\xd4\xc3\xb2\xa1" + bytes(100))
    with pytest.raises(InputError, match="is no file that lippycat encrypted"):
        opened(b"\xd4\xc3")
    with pytest.raises(Cut, match="ends within its header: nothing of it can be read"):
        opened(FILE[:5])


def test_a_passphrase_opens_files_of_other_runs() -> None:
    phrase = Secret(b"correct horse battery staple", SCRYPT)
    assert opened(sealed(PARTS, Key(phrase)), Key(phrase)) == b"".join(PARTS)


def test_a_header_does_not_make_us_work_without_end() -> None:
    phrase = Key(Secret(b"correct horse battery staple", SCRYPT))
    data = bytearray(sealed([], phrase))
    data[9] = 40  # log2 N
    with pytest.raises(InputError, match="more work than a passphrase is worth"):
        opened(bytes(data), phrase)


def test_a_large_write_is_kept_as_far_as_it_fitted(tmp_path: Path) -> None:
    class Small:
        data = b""

        def write(self, data: bytes | memoryview) -> None:
            if len(self.data) + len(data) > 200_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.data += bytes(data)

        def close(self) -> None:
            """Nothing to do."""

    disk, written = Small(), os.urandom(1_000_000)
    output = EncryptedOutput(disk, KEY)
    with pytest.raises(OSError, match="No space"):
        output.write(written)
    output.close()
    assert as_far_as(disk.data) == (written[: 3 * CHUNK], Cut)


def test_what_a_killed_process_wrote_can_be_read(tmp_path: Path) -> None:
    """Without the end: each write left whole chunks."""
    sealer = Sealer(KEY)
    assert as_far_as(sealer.seal(b"one") + sealer.seal(b"two" * 50_000)) == (b"one" + b"two" * 50_000, Cut)


def test_a_full_disk_leaves_what_was_written(tmp_path: Path) -> None:
    class Full:
        data = b""

        def write(self, data: bytes | memoryview) -> None:
            if len(self.data) > 300:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.data += bytes(data)

        def close(self) -> None:
            """Nothing to do."""

    disk = Full()
    output = EncryptedOutput(disk, KEY)

    def fill() -> None:
        for _ in range(10):
            output.write(b"x" * 100)

    with pytest.raises(OSError, match="No space"):
        fill()
    output.close()
    found, error = as_far_as(disk.data)
    assert error is Cut
    assert set(found) == {ord("x")}
    assert len(found) >= 200


@pytest.mark.parametrize(
    "write",
    [
        lambda key: key,
        lambda key: key.hex().encode() + b"\n",
        lambda key: base64.b64encode(key) + b"\n",
    ],
)
def test_a_key_in_each_of_its_forms(tmp_path: Path, write: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "key"
    path.write_bytes(write(bytes(range(32))))
    path.chmod(0o600)
    assert read_secret(str(path)) == Secret(bytes(range(32)), RAW)


def test_a_new_key_is_its_owners_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key"
    new_key(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = read_secret(str(path))
    assert before.kind == RAW
    with pytest.raises(UsageError, match="a key is never overwritten"):
        new_key(str(path))
    assert read_secret(str(path)) == before


def test_key_files_that_will_not_do(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(UsageError, match="No such file"):
        read_secret(str(path))
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(UsageError, match="nor a passphrase of 12 characters"):
        read_secret(str(path))
    path.write_bytes(b"a passphrase that is long")
    assert read_secret(str(path)).kind == SCRYPT
    path.chmod(0o644)
    with pytest.raises(UsageError, match="others can read this key: chmod 600"):
        read_secret(str(path))
