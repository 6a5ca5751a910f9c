"""`make deploy-test`: what is in deploy/, on the programs it is for, where they are installed."""

import pytest
import trustme


@pytest.fixture
def authority():
    return trustme.CA()
