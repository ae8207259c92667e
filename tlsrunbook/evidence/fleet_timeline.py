"""The certificates of one server as a lane: SVG without script or style sheet, on light and on dark ground."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape

from tlsrunbook.evidence.fleet_model import FleetServer, Held, Where
from tlsrunbook.evidence.fleet_scale import DAY, PLAN, QUIET, Scale, colour, grid, limits, words

LANE_WIDTH, LANE_HEIGHT = 400, 22
_MIDDLE = 'text-anchor="middle"'


def axis(at: datetime) -> str:
    """Give the head of a column of lanes: months, today, and where another limit begins."""
    scale = Scale(at, LANE_WIDTH)
    months = (month for month in scale.months() if month < scale.last - 12 * DAY)
    parts = [words(scale.x(month) + 2, 21, f"{month:%b %y}" if month.month == 1 else f"{month:%b}") for month in months]
    parts.append(words(scale.x(at), 9, "today", more='text-anchor="middle" font-weight="700"'))
    parts += [
        words(scale.x(limit.since), 9, f"from here {limit.days} days", fill=PLAN, kind="plan", more=_MIDDLE)
        for limit in limits(at)
        if scale.shows(limit.since)
    ]
    return _svg(LANE_WIDTH, 24, "the time, by months", "".join(parts), 'font-size="9" fill="currentColor"')


def lane(server: FleetServer, at: datetime) -> str:
    """Give one server's certificates on a line, with the same in words for those who do not see it."""
    scale = Scale(at, LANE_WIDTH)
    bars = "".join(_bar(one, scale, server.renew_before) for one in reversed(server.certificates))
    told = "; ".join(_told(one, at) for one in server.certificates) or "no certificate is known"
    return _svg(LANE_WIDTH, LANE_HEIGHT, told, f'<use href="#fleet-grid"/>{bars}')


def lane_grid(at: datetime, renew_before: timedelta) -> str:
    """Give the picture that every lane on a page shares; put it before the first one."""
    inner = grid(Scale(at, LANE_WIDTH), LANE_HEIGHT, renew_before)
    return (
        f'<svg width="0" height="0" aria-hidden="true" style="position:absolute"><g id="fleet-grid">{inner}</g></svg>'
    )


def _told(one: Held, at: datetime) -> str:
    if one.ends is None:
        return f"requested {one.begins:%Y-%m-%d}" if one.begins else "requested"
    days = (one.ends - at).days
    return f"{one.where.value} until {one.ends:%Y-%m-%d} ({days} days), issued by {one.issuer or 'nobody knows'}"


def _bar(one: Held, scale: Scale, renew_before: timedelta) -> str:
    """On the wire: a thick bar. Newest and not on the wire: its outline. Others: a thin one. Requests: dashes."""
    if one.ends is None:
        begin = scale.x(one.begins or scale.at)
        return (
            f'<line x1="{min(begin, scale.x(scale.at) - 6)}" x2="{scale.x(scale.at)}" y1="13" y2="13" stroke="{PLAN}" '
            'stroke-width="3" stroke-dasharray="4 2"/>'
        )
    fill = colour(one, scale.at, renew_before)
    x, end = scale.x(one.begins or scale.first), scale.x(one.ends)
    y, height = (1, 9) if one.for_fqdn else (16, 3) if not one.self_signed else (20, 2)
    style = f'fill="{fill}"'
    if one.for_fqdn and one.where is not Where.ON_WIRE:
        style = f'fill="none" stroke="{fill}" stroke-width="1.5"'
    elif not one.for_fqdn:
        style = f'fill="{QUIET}"'
    x = min(x, end - 1.5)
    bar = f'<rect x="{x:.1f}" y="{y}" width="{end - x:.1f}" height="{height}" rx="1.5" {style}/>'
    return bar + _beyond(one, scale, y, height, fill if one.for_fqdn else QUIET) + _allowed(one, scale, y, height)


def _beyond(one: Held, scale: Scale, y: int, height: int, fill: str) -> str:
    """Mark an end that lies outside the picture."""
    if one.ends is None or scale.shows(one.ends) or not one.for_fqdn:
        return ""
    if one.ends > scale.last:
        right = scale.left + scale.width
        return f'<path d="M{right - 7} {y - 1}l7 {height / 2 + 1}l-7 {height / 2 + 1}z" fill="{fill}"/>'
    return f'<path d="M{scale.left + 7} {y - 1}l-7 {height / 2 + 1}l7 {height / 2 + 1}z" fill="{fill}"/>'


def _allowed(one: Held, scale: Scale, y: int, height: int) -> str:
    """Mark how long the certificate might have lived, by the limit of the day it was issued."""
    if not one.for_fqdn or one.limit is None or one.begins is None:
        return ""
    latest = one.begins + one.limit * DAY
    if not scale.shows(latest):
        return ""
    x = scale.x(latest)
    return f'<path d="M{x} {y}v{height}" stroke="{QUIET}" stroke-width="1.5"/>'


def _svg(width: int, height: int, told: str, inner: str, more: str = "") -> str:
    return (
        f'<svg class="lane" role="img" aria-label="{escape(told)}" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" {more}>{inner}</svg>'
    )
