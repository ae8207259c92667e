"""When all certificates of the fleet end: one picture, and the same as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from tlsrunbook.evidence.fleet_model import Fleet, FleetServer, Held
from tlsrunbook.evidence.fleet_scale import (
    AHEAD,
    BACK,
    BAD,
    DAY,
    OK,
    PLAN,
    QUIET,
    WAIT,
    WEEK,
    Limit,
    Scale,
    grid,
    limit_text,
    limits,
    words,
)

WIDTH, LEFT, RIGHT = 1184, 64, 74
#: Where the picture's parts begin, from the top.
RULERS, BARS, BOTTOM = 20, 92, 232
HEIGHT = 288
#: Left edges of the two bars for what lies outside the picture.
_BEFORE, _AFTER, _OUTSIDE = 6.0, WIDTH - RIGHT + 14.0, 44.0
_MIDDLE = 'text-anchor="middle"'
_FONT = "system-ui, 'Segoe UI', Roboto, sans-serif"


@dataclass(frozen=True)
class Week:
    """How many certificates end within seven days.

    Args:
        begins: First day; None for all that ended before the picture begins.
        until: The day after its last; None for all that end after the picture's end.
        in_use: For a server's FQDN.
        others: Of a CA, and not in use for one.
        self_signed: Signed by the servers themselves.
    """

    begins: datetime | None
    until: datetime | None
    in_use: int = 0
    others: int = 0
    self_signed: int = 0

    @property
    def all(self) -> int:
        """Their sum."""
        return self.in_use + self.others + self.self_signed


def weeks(fleet: Fleet) -> tuple[Week, ...]:
    """Count ends by week: all before the picture first, then each week of it, then all after it."""
    first, count = fleet.at - BACK, (BACK + AHEAD) // WEEK
    counted: Counter[tuple[int, str]] = Counter()
    for one in _ending(fleet.servers):
        at = (one.ends - first) // WEEK if one.ends else 0
        kind = "in_use" if one.for_fqdn else "self_signed" if one.self_signed else "others"
        counted[min(max(at, -1), count), kind] += 1
    kinds = ("in_use", "others", "self_signed")
    return tuple(
        Week(
            first + at * WEEK if at >= 0 else None,
            first + (at + 1) * WEEK if at < count else None,
            *(counted[at, kind] for kind in kinds),
        )
        for at in range(-1, count + 1)
    )


def _ending(servers: Iterable[FleetServer]) -> Iterator[Held]:
    for server in servers:
        yield from (one for one in server.certificates if one.ends is not None)


def renewal_time(fleet: Fleet) -> timedelta:
    """Give the longest renewal time of all sites."""
    return max((server.renew_before for server in fleet.servers), default=timedelta(days=30))


def overview(fleet: Fleet, *, alone: bool = False) -> str:
    """Give the picture.

    Args:
        alone: Whether it stands for itself, as an image that nothing around it lends its colours.
    """
    scale = Scale(fleet.at, WIDTH - LEFT - RIGHT, LEFT)
    counted = weeks(fleet)
    most = max((week.all - week.self_signed for week in counted), default=0)
    renew = renewal_time(fleet)
    body = "".join(
        (
            f'<g transform="translate(0 {RULERS})">{grid(scale, BOTTOM - RULERS, renew)}</g>',
            _marks(scale, renew),
            *(_ruler(limit, row, scale) for row, limit in enumerate(limits(fleet.at))),
            *(_bar(week, at, scale, max(most, 1), renew) for at, week in enumerate(counted)),
            _line_below(scale),
            _legend(fleet),
        )
    )
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>' if alone else ""
    space = ' xmlns="http://www.w3.org/2000/svg" color="#1b2430"' if alone else ""
    return (
        f'<svg{space} class="overview" role="img" aria-labelledby="fleet-title fleet-desc" viewBox="0 0 {WIDTH} '
        f'{HEIGHT}" font-family="{_FONT}" font-size="11" fill="currentColor">'
        f'<title id="fleet-title">When certificates end</title><desc id="fleet-desc">{escape(in_words(fleet))}</desc>'
        f"{ground}{body}</svg>"
    )


def in_words(fleet: Fleet) -> str:
    """Say what the picture shows."""
    held = list(_ending(fleet.servers))
    used = [one for one in held if one.for_fqdn and one.ends]
    renew = renewal_time(fleet)
    over = sum(1 for one in used if one.ends and one.ends <= fleet.at)
    soon = sum(1 for one in used if one.ends and fleet.at < one.ends <= fleet.at + renew)
    waiting = sum(len(server.requests) for server in fleet.servers)
    unknown = sum(1 for server in fleet.servers if not server.known)
    told = "; ".join(limit_text(limit) for limit in limits(fleet.at))
    return (
        f"{len(held)} certificates are known on {len(fleet.servers)} servers, {len(used)} of them in use for their "
        f"FQDN: {over} of those have ended, {soon} end within {renew.days} days. {waiting} request(s) wait for the CA. "
        f"Of {unknown} server(s) nothing is known. Public certificates: {told}."
    )


def _marks(scale: Scale, renew_before: timedelta) -> str:
    today = scale.x(scale.at)
    now = words(today, 14, f"today {scale.at:%Y-%m-%d}", more='text-anchor="middle" font-weight="700"')
    renew = f"renew: {renew_before.days} days"
    return now + words(today + 4, BARS - 4, renew, fill=WAIT, kind="wait", more='font-size="10"')


def _ruler(limit: Limit, row: int, scale: Scale) -> str:
    """Draw how long a certificate may last that is issued on the first day this limit holds, or today."""
    begin = max(limit.since, scale.at)
    y = RULERS + 16 + 22 * row
    if not scale.shows(begin):
        right = scale.left + scale.width - 4
        text = f"{limit_text(limit)} ▸"
        return words(right, y + 4, text, fill=PLAN, kind="plan", more='text-anchor="end" font-size="10"')
    x, latest = scale.x(begin), begin + limit.days * DAY
    end = scale.x(latest)
    tips = f'<path d="M{x} {y - 5}v10M{end} {y - 5}v10M{x} {y}H{end}" stroke="{PLAN}" stroke-width="2" fill="none"/>'
    issued = "today" if begin == scale.at else f"on {begin:%Y-%m-%d}"
    text = f"issued {issued}: {limit.days} days at most, so until {latest:%Y-%m-%d}"
    return tips + words(x + 8, y - 4, text, fill=PLAN, kind="plan", more='font-size="10"')


def _bar(week: Week, at: int, scale: Scale, most: int, renew_before: timedelta) -> str:
    """Draw a week: what is in use at the bottom, coloured by what is left; what is installed besides above it."""
    x, width = _place(at, scale)
    room = BOTTOM - BARS - 16
    used, other = room * week.in_use / most, room * week.others / most
    parts = []
    if week.in_use:
        parts.append(_rect(x, BOTTOM - used, width, used, f'fill="{_fill(week, scale.at, renew_before)}"'))
    if week.others:
        style = f'fill="{QUIET}" fill-opacity=".3" stroke="{QUIET}"'
        parts.append(_rect(x, BOTTOM - used - other, width, other, style))
    if week.in_use + week.others:
        y = BOTTOM - used - other - 4
        parts.append(words(x + width / 2, y, str(week.in_use + week.others), more=_MIDDLE))
    return "".join(parts)


def _place(at: int, scale: Scale) -> tuple[float, float]:
    """Give left edge and width of a bar; the first and the last stand beside the scale."""
    count = (BACK + AHEAD) // WEEK
    if at in (0, count + 1):
        return (_BEFORE if at == 0 else _AFTER), _OUTSIDE
    step = scale.width / count
    return scale.left + step * (at - 1) + 2, step - 4


def _fill(week: Week, at: datetime, renew_before: timedelta) -> str:
    if week.begins is None or week.begins < at:
        return BAD
    return WAIT if week.begins < at + renew_before else OK


def _rect(x: float, y: float, width: float, height: float, style: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {style}/>'


def _line_below(scale: Scale) -> str:
    y = BOTTOM + 14
    right = scale.left + scale.width
    months = "".join(
        words(scale.x(month) + 3, y, f"{month:%b %Y}") for month in scale.months() if scale.x(month) + 52 < right
    )
    lines = f"M{_BEFORE} {BOTTOM}h{_OUTSIDE}M{scale.left} {BOTTOM}H{right}M{_AFTER} {BOTTOM}h{_OUTSIDE}"
    outside = ((_BEFORE, "before"), (_AFTER, "later"))
    names = "".join(words(left + _OUTSIDE / 2, y, name, more=_MIDDLE) for left, name in outside)
    return f'<path d="{lines}" stroke="currentColor"/>{months}{names}'


def _legend(fleet: Fleet) -> str:
    """Say what the colours mean, and what is not drawn."""
    waiting = sum(len(server.requests) for server in fleet.servers)
    own = sum(week.self_signed for week in weeks(fleet))
    solid = 'fill="{}"'
    entries = (
        (solid.format(BAD), "in use and over"),
        (solid.format(WAIT), "in use, ends within the renewal time"),
        (solid.format(OK), "in use, ends later"),
        (f'fill="{QUIET}" fill-opacity=".3" stroke="{QUIET}"', "installed besides"),
    )
    parts, x, y = [], float(LEFT), HEIGHT - 12
    for style, text in entries:
        parts.append(_rect(x, y - 9, 10, 10, style) + words(x + 15, y, text))
        x += 32 + 5.6 * len(text)
    more = f"not drawn: {own} self-signed, {waiting} requested"
    return "".join(parts) + words(WIDTH - 4, y, more, more='text-anchor="end" opacity=".75"')
