"""A board in memory, over string transports; files with another one have a fixture of their own."""

import pytest

from support.fake_board import powered_board


@pytest.fixture
def board():
    with powered_board() as on:
        yield on
