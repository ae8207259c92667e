"""The scale of all pictures of certificates: some weeks back, and as far ahead as one that is issued today may last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

from tlsrunbook.evidence.fleet_model import Held
from tlsrunbook.policy.certificate_rules import LIFETIME_LIMITS

#: Colours that read on white and on dark backgrounds alike.
OK, WAIT, BAD, PLAN, QUIET = "#2e8b57", "#b7791f", "#cf3b3b", "#3b78c3", "#8a8f98"
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
BACK, AHEAD = timedelta(days=70), timedelta(days=238)


@dataclass(frozen=True)
class Scale:
    """Puts times onto a line.

    Args:
        at: Today.
        width: Of the whole line, in pixels.
        left: Where it begins.
    """

    at: datetime
    width: float
    left: float = 0.0

    @property
    def first(self) -> datetime:
        """The earliest time on it."""
        return self.at - BACK

    @property
    def last(self) -> datetime:
        """The latest time on it."""
        return self.at + AHEAD

    def x(self, moment: datetime) -> float:
        """Give the place of a time; what is outside is put at the end it lies beyond."""
        inside = min(max(moment, self.first), self.last)
        return round(self.left + self.width * ((inside - self.first) / (self.last - self.first)), 1)

    def shows(self, moment: datetime) -> bool:
        """Whether a time is on it."""
        return self.first <= moment <= self.last

    def months(self) -> Iterator[datetime]:
        """Give the first of each month on it."""
        year, month = self.first.year, self.first.month
        while True:
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
            begin = datetime(year, month, 1, tzinfo=UTC)
            if begin > self.last:
                return
            yield begin


@dataclass(frozen=True)
class Limit:
    """How long a public certificate may live.

    Args:
        days: At most.
        since: For those that begin then or later.
        until: And before this; None when no other limit follows.
    """

    days: int
    since: datetime
    until: datetime | None


def limits(at: datetime) -> tuple[Limit, ...]:
    """Give the limit of today and those to come, in order."""
    found = []
    until: datetime | None = None
    for since, days in LIFETIME_LIMITS:
        if until is None or until > at:
            found.append(Limit(days, since, until))
        until = since
    return tuple(reversed(found))


def limit_text(limit: Limit) -> str:
    """Say a limit in words."""
    until = f" to {limit.until - DAY:%Y-%m-%d}" if limit.until else ""
    return f"{limit.days} days at most, when issued {limit.since:%Y-%m-%d}{until or ' or later'}"


def colour(one: Held, at: datetime, renew_before: timedelta) -> str:
    """Give the colour of a certificate by what is left of it."""
    if one.ends is None:
        return PLAN
    if one.ends <= at:
        return BAD
    return WAIT if one.ends - at <= renew_before else OK


def words(x: float, y: float, text: str, *, fill: str = "", kind: str = "", more: str = "") -> str:
    """Give a text of a picture.

    Args:
        text: Plain.
        fill: Its colour where no style sheet says otherwise; the picture's own when empty.
        kind: Class of its colour on a page.
        more: Further attributes.
    """
    colour_of = f' class="{kind}" fill="{fill}"' if fill else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{colour_of}{" " + more if more else ""}>{escape(text)}</text>'


def grid(scale: Scale, height: float, renew_before: timedelta) -> str:
    """Give what stands behind all bars: the renewal time, today, months, and where another limit begins."""
    today, renew = scale.x(scale.at), scale.x(scale.at + renew_before)
    parts = [f'<rect x="{today}" y="0" width="{renew - today:.1f}" height="{height}" fill="{WAIT}" opacity=".16"/>']
    parts += [_line(scale.x(month), height, QUIET, 'stroke-width=".5" opacity=".45"') for month in scale.months()]
    parts += [
        _line(scale.x(limit.since), height, PLAN, 'stroke-dasharray="2 2"')
        for limit in limits(scale.at)
        if scale.shows(limit.since)
    ]
    return "".join(parts) + _line(today, height, "currentColor", 'stroke-width="1.5"')


def _line(x: float, height: float, stroke: str, more: str = "") -> str:
    return f'<line x1="{x}" x2="{x}" y1="0" y2="{height}" stroke="{stroke}" {more}/>'
