"""What stands between a writer and its file: bytes that go through a packer or a cipher, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lippycat_core.builtin.outputs import Output

PIECE = 64 << 10
"""Bytes that go through at once: what of them can be read again when the rest does not fit, or is cut off."""


def pieces(data: bytes | memoryview) -> Iterator[memoryview]:
    """`data` in pieces that go through at once."""
    view = memoryview(data)
    return (view[at : at + PIECE] for at in range(0, len(view), PIECE))


class Stage:
    """An `Output` whose bytes `step` makes other ones of, for another output; `end` gives what ends them. Behind a piece that
    could not be written comes nothing, not even that end: what lies behind a hole could not be read."""

    def __init__(self, output: Output, step: Callable[[memoryview], bytes], end: Callable[[], bytes]) -> None:
        self._output = output
        self._step = step
        self._end = end
        self._over = False

    def write(self, data: bytes | memoryview) -> None:
        """See Output."""
        if self._over:
            return
        try:
            for piece in pieces(data):
                self._output.write(self._step(piece))
        except OSError:
            self._over = True
            raise

    def close(self) -> None:
        """See Output."""
        over, self._over = self._over, True
        try:
            if not over:
                self._output.write(self._end())
        finally:
            self._output.close()
