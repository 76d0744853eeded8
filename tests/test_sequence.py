"""One direction's sequence space against a plain array of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lippycat_core.sequence import PAGE, Piece, SequenceSpace

PIECES = st.lists(st.tuples(st.integers(-5, 40), st.integers(1, 12), st.integers(0, 12)), max_size=25)


@given(PIECES)
def test_a_copy_that_says_something_else_is_noticed(pieces: list[tuple[int, int, int]]) -> None:
    space = SequenceSpace(0)
    held: dict[int, int] = {}
    taken: set[int] = set()
    for number, (start, length, captured) in enumerate(pieces):
        start, data = max(start, 0), bytes([number % 3]) * min(captured, length)
        piece = Piece(start, start + length, data, 1)
        assert space.differs(piece) == any(held.get(start + i, byte) != byte for i, byte in enumerate(data))
        space.hold(piece)
        for at in range(start, start + length):
            if at not in taken and at - start < len(data):
                held[at] = data[at - start]
        taken.update(range(start, start + length))


@given(PIECES, st.integers(0, 2**32 - 1))
def test_what_is_held_is_the_first_copy_of_each_byte(pieces: list[tuple[int, int, int]], first: int) -> None:
    space = SequenceSpace(first)
    covered: dict[int, int | None] = {}
    for number, (start, length, captured) in enumerate(pieces):
        data = bytes([number]) * min(captured, length)
        space.hold(Piece(first + start, first + start + length, data, 1))
        for at in range(max(start, 0), start + length):
            covered.setdefault(at, number if at - start < len(data) else None)
    held: dict[int, int | None] = {}
    last = first
    for piece in space.pieces:
        assert last <= piece.start < piece.end
        last = piece.end
        for i in range(piece.end - piece.start):
            held[piece.start - first + i] = piece.data[i] if i < len(piece.data) else None
    assert held == covered
    assert space.pages == len(space.pieces) <= len(pieces) * 2
    assert sum(piece.segments for piece in space.pieces) <= len(pieces)
    while space.pieces:
        if not space.ready:
            assert space.skip() > 0
        before = space.next
        assert space.take().start == before
    assert (space.pages, space.next) == (0, max([first, *(first + at + 1 for at in covered)]))


@pytest.mark.parametrize(("length", "pages"), [(0, 1), (1, 1), (PAGE, 1), (PAGE + 1, 2), (10 * PAGE, 10)])
def test_a_piece_costs_its_pages(length: int, pages: int) -> None:
    space = SequenceSpace(0)
    space.hold(Piece(5, 5 + max(length, 1), bytes(length), 1))
    assert space.pages == pages
    space.clear()
    assert (space.pages, space.pieces) == (0, [])


@pytest.mark.parametrize(
    ("position", "seq", "expected"), [(10, 12, 12), (2**32 - 1, 3, 2**32 + 3), (2**32 + 5, 2**32 - 1, 2**32 - 1)]
)
def test_numbers_are_unwrapped_around_the_next_byte(position: int, seq: int, expected: int) -> None:
    assert SequenceSpace(position).position(seq) == expected
