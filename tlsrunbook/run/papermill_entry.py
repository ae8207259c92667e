"""The door through which papermill finds our engine: ``papermill --engine tlsrunbook NOTEBOOK OUT``.

Papermill imports every engine's door whenever it starts, so there is nothing behind this one until it is opened; and
it must not import papermill, which may be half imported.
"""

from __future__ import annotations

from typing import Any


class TlsRunbookEngine:
    """Executes a notebook as the batch does, for whoever types ``papermill``. See papermill's ``Engine``."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, output_path: Any = None, **options: Any) -> Any:
        """Execute a notebook and give it back.

        Raises:
            PapermillExecutionError: A cell left by ``sys.exit``, which papermill itself would call a success.
            DeadKernelError: The kernel died. The notebook was saved, and says so.
            CellTimeoutError: A cell took too long; likewise.
        """
        from tlsrunbook.run.papermill_engine import execute_notebook  # noqa: PLC0415

        return execute_notebook(nb, kernel_name, output_path, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> Any:
        """Give the name of the kernel that a notebook asks for."""
        from papermill.utils import nb_kernel_name  # noqa: PLC0415

        return nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> Any:
        """Give the programming language of a notebook."""
        from papermill.utils import nb_language  # noqa: PLC0415

        return nb_language(nb, language)
