"""What a step sees of its attempt's folder and of the evidence before it, and what it writes there as it works."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlsrunbook.evidence.data import readable_json, to_data, utc_text
from tlsrunbook.evidence.layout import AFTER, BEFORE, PLAN
from tlsrunbook.evidence.record import plan_data, plan_digest
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.history import History
from tlsrunbook.plan.model import Plan
from tlsrunbook.ports import Attempt, Clock, EvidenceStore
from tlsrunbook.run.history import read_history
from tlsrunbook.run.saving import verified_on_wire
from tlsrunbook.run.transcript import Transcript


@dataclass
class AttemptWorkspace:
    """The step's view of its attempt folder."""

    store: EvidenceStore
    made: Attempt
    transcript: Transcript
    clock: Clock

    def keep(self, name: str, content: bytes) -> None:
        """Write a file beside the record, once."""
        self.made.write(name, content)

    def remembered_default(self) -> str:
        """Give the default SMTP certificate as this change first saw it; may be empty."""
        first = self.store.first_before(self.made.change, self.made.server)
        before = self.store.remembered(self.made.server).default
        return before or (str(first["state"]["internal_transport_thumbprint"]) if first else "")

    def remembered_names(self) -> dict[str, tuple[str, ...]]:
        """Give what this server's certificates were called when it was read before."""
        return {**self.store.remembered(self.made.server).names, **self.store.certificate_names(self.made.server)}

    def verified(self) -> dict[str, str]:
        """Give the thumbprints that ``verify`` has seen on the wire of this server, with where its record is."""
        before = self.store.remembered(self.made.server).verified
        return {**before, **verified_on_wire(self.store, self.made.server)}

    def recalled(self, server: str, step: str) -> Mapping[str, Any]:
        """Give the facts of the record of another server's step that was applied and finished last; may be empty."""
        record = self.store.newest(server, step)
        return record.facts if record else {}

    def history(self) -> History:
        """Give what this change did on the server before this attempt."""
        return read_history(self.store, self.made.change, self.made.server, self.made.folder)

    def before(self, state: ServerState) -> None:
        """Write down the state as it was found."""
        self._state(BEFORE, state)

    def after(self, state: ServerState) -> None:
        """Write down the state as it is left."""
        self._state(AFTER, state)

    def _state(self, name: str, state: ServerState) -> None:
        content = readable_json({"at": utc_text(self.clock.now()), "state": to_data(state)})
        self.made.write(name, content)
        self.transcript.add("state", {"file": name, "sha256": hashlib.sha256(content).hexdigest()})

    def planned(self, plan: Plan) -> None:
        """Write down what will be sent and how it is undone, before the first command is sent."""
        self.made.write(PLAN, readable_json({"digest": plan_digest(plan), **plan_data(plan)}))

    def note(self, event: str, facts: Mapping[str, Any]) -> None:
        """Write a line into the transcript."""
        self.transcript.add(event, facts)
