"""What tests of the configuration share."""

import pytest


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "scanside.toml"
        path.write_text(text)
        return path

    return write
