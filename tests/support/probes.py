"""What a look at an endpoint found, without a socket."""

from __future__ import annotations

from dataclasses import replace

from odd_certificates import NAME, World

from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome


def seen(world: World, kind: str = "good", **more: object) -> ProbeFacts:
    """Give what a good endpoint shows with this kind of chain, except for what is told."""
    facts = ProbeFacts(
        endpoint=f"{NAME}:25",
        address="192.0.2.1:25",
        outcome=ProbeOutcome.TLS,
        banner=f"{NAME} ESMTP",
        ehlo_name=NAME,
        extensions=("SIZE", "STARTTLS"),
        offered_starttls=True,
        protocol="TLSv1.2",
        cipher="ECDHE-RSA-AES256-GCM-SHA384",
        chain=world.chain(kind).sent,
    )
    return replace(facts, **more)  # type: ignore[arg-type]
