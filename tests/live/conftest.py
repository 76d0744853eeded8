"""A cable in a network namespace of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lippycat_core.testing.wire import Wire, why_not, wire


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Whoever asks for it is skipped where no network can be made."""
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture
def cable(namespaces: None) -> Iterator[Wire]:
    """`NEAR` and `FAR` are its ends."""
    with wire() as made:
        yield made
