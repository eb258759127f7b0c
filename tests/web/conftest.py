"""What several tests of the HTTP API have in common."""

from collections.abc import Iterator

import pytest

from tests.web.support import Client, Several


@pytest.fixture
def client(outlets: Several) -> Iterator[Client]:
    """A client of the fixture `outlets` of the test's own module."""
    with Client(outlets.url) as client:
        yield client
