"""The unread bytes of an input, as they lie in the slab of the batch at hand. Nothing here knows a format."""

from __future__ import annotations

from lippycat_core.builtin.rawinput import ByteInput
from lippycat_core.columns import I64
from lippycat_core.kernels.walk import W_END, W_POS


class Window:
    """Bytes from `state[W_POS]` to `state[W_END]` of a slab are read and not used; what a batch leaves over is carried
    into the next one's slab. `carry` is what was read before the first batch, `offset` where it lies in the input."""

    def __init__(self, source: ByteInput, state: I64, carry: bytes, offset: int) -> None:
        self._source = source
        self._fields = memoryview(state.data)
        self._carry = carry
        self._slab_offset = offset  # input offset of the slab's first byte
        self._mem = memoryview(b"")
        self.cut = False  # whether `take` or `skip` met the input's end

    def enter(self, mem: memoryview) -> None:
        """Go on in another slab, at its begin."""
        mem[: len(self._carry)] = self._carry
        self._mem = mem
        self._fields[W_POS] = 0
        self._fields[W_END] = len(self._carry)

    def leave(self) -> None:
        """Keep what is not used, for another slab."""
        pos = self._fields[W_POS]
        self._carry = bytes(self._mem[pos : self._fields[W_END]])
        self._slab_offset += pos
        self._mem = memoryview(b"")

    @property
    def offset(self) -> int:
        """Byte offset of the next unused byte in the (decompressed) input."""
        return self._slab_offset + self._fields[W_POS]

    @property
    def end(self) -> int:
        """End in the slab of the bytes that were read."""
        return self._fields[W_END]

    @property
    def left(self) -> int:
        """Bytes that were read and are not used."""
        return self._fields[W_END] - self._fields[W_POS]

    def to_front(self) -> None:
        """Move what is not used to the slab's begin; only while no row points into the slab."""
        mem, pos, left = self._mem, self._fields[W_POS], self.left
        mem[:left] = bytes(mem[pos : pos + left])
        self._slab_offset += pos
        self._fields[W_POS] = 0
        self._fields[W_END] = left

    def read(self, count: int, nbytes: int) -> int:
        """Read at most `count` more bytes, into the slab's first `nbytes`; 0 at the input's end, or where no room is left."""
        end = self._fields[W_END]
        room = self._mem[end : min(end + count, nbytes)]
        got = self._source.readinto(room) if room else 0
        self._fields[W_END] = end + got
        return got

    def head(self, count: int) -> bytes:
        """The next `count` bytes of the slab (fewer where fewer were read), without using them up."""
        pos = self._fields[W_POS]
        return bytes(self._mem[pos : min(pos + count, self._fields[W_END])])

    def take(self, count: int) -> bytes | None:
        """Use up and return the next `count` bytes, also those that do not fit into the slab; None where the input ends
        before that."""
        here = self.head(count)
        if len(here) == count:
            self._fields[W_POS] += count
            return here
        beyond = memoryview(bytearray(count - len(here)))
        done = 0
        while done < len(beyond):
            got = self._source.readinto(beyond[done:])
            if got == 0:
                self.cut = True
                return None
            done += got
        self._fields[W_POS] += len(here)
        self._slab_offset += len(beyond)
        return here + bytes(beyond)
