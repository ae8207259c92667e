"""What a person tells the CA: names, key, and the longest life there is on that day."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tlsrunbook.policy.ca_advice import ca_advice, validity_advice


@pytest.mark.parametrize(
    ("day", "told"),
    [
        (datetime(2026, 11, 24, tzinfo=UTC), "at most 200 days; from 2027-03-15 100 days; from 2029-03-15 47 days"),
        (datetime(2027, 3, 14, 23, 59, tzinfo=UTC), "at most 200 days; from 2027-03-15 100 days"),
        (datetime(2027, 3, 15, tzinfo=UTC), "at most 100 days; from 2029-03-15 47 days"),
        (datetime(2029, 3, 15, tzinfo=UTC), "at most 47 days"),
    ],
)
def test_the_limit_is_that_of_the_day(day: datetime, told: str) -> None:
    assert validity_advice(day).startswith(told)


def test_everything_a_form_asks_for_is_told() -> None:
    rows = ca_advice(
        ("mx1.example.com", "smtp.example.com"), "RSA 2048 bits", datetime(2026, 11, 24, tzinfo=UTC), {"O": "Example"}
    )
    told = {row["what"]: row["tell the CA"] for row in rows}
    assert told.keys() == {"product", "names", "key", "validity", "use", "signature", "answer"}
    assert "mx1.example.com, smtp.example.com" in told["names"]
    assert "common name mx1.example.com, O “Example”" in told["names"]
    assert told["key"].startswith("RSA 2048 bits")
    assert "serverAuth" in told["use"]
    assert "SHA-1" in told["signature"]
    assert "PKCS #7" in told["answer"]
