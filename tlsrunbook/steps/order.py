"""What a step on one server has to wait for on another one, where servers of a site work for each other."""

from __future__ import annotations

from tlsrunbook.site import Site


def prerequisites(site: Site, server: str, step: str) -> tuple[tuple[str, str], ...]:
    """Give what should have ended before a step begins, as pairs of server and step.

    A run over several servers keeps this order. A step that is run alone looks for itself, and says what it misses.

    Args:
        site: The site.
        server: Name of the server that the step is for.
        step: Step id.
    """
    this = site.server(server)
    if step == "install" and this.share_from:
        return ((this.share_from, "install"),)
    if step != "connectors":
        return ()
    if this.send_through:
        return ((this.send_through, "connectors"),)
    return tuple((edge.name, "activate") for edge in site.sent_through(this.name))
