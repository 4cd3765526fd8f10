"""How the topics are made."""

from __future__ import annotations

import pytest

from infra import topics


@pytest.mark.parametrize("stream", topics.STREAMS)
def test_no_record_that_is_needed_again_is_deleted_by_its_age_or_the_size(stream: str) -> None:
    config = topics.config_of(stream)
    if stream in topics.COMPACTED:
        assert config["cleanup.policy"] == "compact"
    else:
        kept = (config["cleanup.policy"], config["retention.ms"], config["retention.bytes"])
        assert kept == ("delete", "-1", "-1")
