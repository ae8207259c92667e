"""What stands in a step's context until the recording puts the attempt's workspace there."""

from __future__ import annotations

from typing import Any

from tlsrunbook.plan.history import History


class Unrecorded:
    """Stands in a context until the recording puts the attempt's workspace there."""

    def keep(self, name: str, content: bytes) -> None:
        """See :class:`~tlsrunbook.steps.model.Workspace`."""
        raise RuntimeError(name, len(content))

    def remembered_default(self) -> str:
        """See :class:`~tlsrunbook.steps.model.Workspace`."""
        return ""

    def history(self) -> History:
        """See :class:`~tlsrunbook.steps.model.Workspace`."""
        raise RuntimeError

    def remembered_names(self) -> dict[str, tuple[str, ...]]:
        """See :class:`~tlsrunbook.steps.model.Workspace`."""
        return {}

    def verified(self) -> dict[str, str]:
        """See :class:`~tlsrunbook.steps.model.Workspace`."""
        return {}

    def recalled(self, server: str, step: str) -> dict[str, Any]:
        """See :class:`~tlsrunbook.steps.model.Workspace`."""
        raise RuntimeError(server, step)

    def before(self, state: object) -> None:
        """See :class:`~tlsrunbook.steps.model.Workspace`."""
        raise RuntimeError(state)

    def planned(self, plan: object) -> None:
        """See :class:`~tlsrunbook.steps.model.Workspace`."""
        raise RuntimeError(plan)

    def after(self, state: object) -> None:
        """See :class:`~tlsrunbook.steps.model.Workspace`."""
        raise RuntimeError(state)

    def note(self, event: str, facts: object) -> None:
        """See :class:`~tlsrunbook.steps.model.Workspace`."""
        raise RuntimeError(event, facts)
