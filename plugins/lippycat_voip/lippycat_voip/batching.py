"""How many messages over TCP are looked at together. Results never depend on it; time and cache do."""

from __future__ import annotations

GROW_AFTER = 4
"""Segments in a row with two full batches or more, after which the size doubles."""

SHRINK_AFTER = 16
"""Segments in a row that would have fitted half a batch, after which it halves; more, so that it does not swing."""


class BatchSize:
    """`size` is what holds now. With `tuned` it follows how full batches are, between a quarter and eight times of what was
    asked for, and never beyond `most`."""

    def __init__(self, size: int, most: int, *, tuned: bool = False) -> None:
        self.size = min(size, most)
        self.least = max(1, size // 4) if tuned else self.size
        self.most = min(most, size * 8) if tuned else self.size
        self._full = self._slack = 0

    def note(self, messages: int) -> None:
        """A segment of the input had so many messages (one at least)."""
        self._full = self._full + 1 if messages >= 2 * self.size else 0
        self._slack = self._slack + 1 if 2 * messages <= self.size else 0
        if self._full >= GROW_AFTER:
            self.size, self._full = min(2 * self.size, self.most), 0
        elif self._slack >= SHRINK_AFTER:
            self.size, self._slack = max(self.size // 2, self.least), 0
