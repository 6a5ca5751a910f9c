"""The bench's real program over the simulated radio moves its bytes and says what it cost."""

import pytest

from bench import real_program


@pytest.mark.parametrize("way", real_program.WAYS)
def test_a_program_transfers_its_bytes_and_returns_its_rate(way):
    with real_program.site() as port:
        assert real_program.run("cc3000", way, port, 300_000) > 0


def test_a_program_that_cannot_reach_the_site_is_a_failure():
    with real_program.site() as port:
        pass
    with pytest.raises(RuntimeError, match="the program failed"):
        real_program.run("ideal", "down", port, 1)
