"""`make deploy-test`: test the files in deploy/ with the programs that use them, if installed."""

import pytest
import trustme


@pytest.fixture
def authority():
    return trustme.CA()
