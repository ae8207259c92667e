"""The Jupyter server extension: it hands saved notebooks to the archivist, and keeps the signing key from kernels.

Installing the package enables it (``etc/jupyter/jupyter_server_config.d/tlsrunbook.json``). It never fails a save.
"""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Float

from tlsrunbook.evidence.dsse import KEY_VARIABLE, Signer
from tlsrunbook.run.notices import NOTICES_VARIABLE
from tlsrunbook.ui.archiving import Archiving
from tlsrunbook.ui.archivist import FINAL_SAVE, Archivist
from tlsrunbook.ui.passwords import passwords_of
from tlsrunbook.ui.post import PostBox, Troubles, post_folder
from tlsrunbook.wiring_evidence import load_signer


class TlsRunbookExtension(ExtensionApp):
    """Archives and seals what is done in this server's kernels."""

    name = "tlsrunbook"
    load_other_extensions = True
    final_save_seconds = Float(
        FINAL_SAVE, config=True, help="So long a finished session waits for its notebook to be saved."
    )

    _archivist: Archivist | None = None

    @property
    def _server(self) -> Any:
        return self.serverapp

    def initialize_settings(self) -> None:
        """Begin: called once, before any kernel is started."""
        # Kernels inherit this environment: the key's name leaves it here, and stays in this object.
        key = os.environ.pop(KEY_VARIABLE, "")
        post = post_folder()
        box = PostBox(post)
        try:
            box.open()
        except OSError as error:
            self.log.error("tlsrunbook: nothing will be archived: %s cannot be written: %s", box.folder, error)
            return
        os.environ[NOTICES_VARIABLE] = str(box.folder)
        self._archivist = Archivist(
            box=box,
            archiving=Archiving(_signer_of(key), lambda text: self.log.info("tlsrunbook: %s", text)),
            troubles=Troubles(post),
            kernels=lambda: list(self._server.kernel_manager.list_kernel_ids()),
            secrets=self._secrets,
            log=self.log,
            final_save=self.final_save_seconds,
        )
        self._archivist.start()
        atexit.register(self._settle)
        self._listen(self._archivist)

    def _listen(self, archivist: Archivist) -> None:
        manager = self._server.contents_manager
        if hasattr(manager, "register_post_save_hook"):
            manager.register_post_save_hook(_hook(archivist, self.log))
        else:
            self.log.error(
                "tlsrunbook: %s tells of no saves: notebooks are archived when their kernel ends",
                type(manager).__name__,
            )

    def _secrets(self, site_files: Iterable[Path]) -> list[str]:
        token = str(getattr(self._server.identity_provider, "token", "") or "")
        return [token, *(one for file in site_files for one in passwords_of(file))]

    async def stop_extension(self) -> None:
        """End the kernels that worked for us, so that nothing is at work; then settle what they did."""
        archivist = self._archivist
        if archivist is None:
            return
        manager = self._server.kernel_manager
        worked = {notice.kernel for _, notice in archivist.box.notices()}
        for kernel in worked & set(manager.list_kernel_ids()):
            await manager.shutdown_kernel(kernel)
        await asyncio.to_thread(self._settle)

    def _settle(self) -> None:
        archivist, self._archivist = self._archivist, None
        if archivist:
            archivist.stop()
            archivist.box.close()
            os.environ.pop(NOTICES_VARIABLE, None)
            atexit.unregister(self._settle)


def _hook(archivist: Archivist, log: Any) -> Callable[..., None]:
    def tlsrunbook_saved(*, model: Any, os_path: str, **_: Any) -> None:
        try:
            if model["type"] == "notebook":
                archivist.saved(os.fspath(os_path))
        except Exception:  # whatever it is: the person's save goes on
            log.exception("tlsrunbook: a saved notebook could not be taken")

    return tlsrunbook_saved


def _signer_of(key: str) -> Callable[[], Signer]:
    return cache(lambda: load_signer(key))


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "tlsrunbook.ui.server_extension", "app": TlsRunbookExtension}]
