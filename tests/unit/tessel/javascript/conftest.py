"""A board in memory, and a program's process that a test plays."""

import pytest

from support.fake_board import powered_board
from support.javascript.played_child import PlayedChild


@pytest.fixture
def board():
    with powered_board() as on:
        yield on


@pytest.fixture
def child(board):
    return PlayedChild(board.runtime)
