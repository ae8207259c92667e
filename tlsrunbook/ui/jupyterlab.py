"""JupyterLab for the runbook: on loopback, with a token, and with the Python of this installation.

JupyterLab runs in this very process. Ctrl-C or SIGTERM ends its kernels, then it settles the evidence, then it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tlsrunbook.errors import UsageError

#: The front end asks nobody whether to fetch news, and fetches none.
_PAGE = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
#: Name of the kernel that every committed notebook asks for.
_KERNEL = "python3"
_EXTENSION = "tlsrunbook.ui.server_extension"


def write_settings(folder: Path) -> None:
    """Write a kernel specification that starts this very Python, whatever is activated or installed elsewhere.

    Args:
        folder: Becomes the first of Jupyter's data folders and of its configuration folders.
    """
    from ipykernel.kernelspec import get_kernel_dict  # noqa: PLC0415 - heavy

    place = folder / "kernels" / _KERNEL
    place.mkdir(parents=True)
    spec = {**get_kernel_dict(), "display_name": "Python 3 (tlsrunbook)"}
    (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    (folder / "labconfig").mkdir()
    (folder / "labconfig" / "page_config.json").write_text(json.dumps(_PAGE), encoding="utf-8")


def arguments(root: Path, opens: Path, workspace: str, *, port: int | None, browser: bool) -> list[str]:
    """Give JupyterLab's arguments.

    Args:
        root: Folder that JupyterLab shows.
        opens: The notebook to open, below ``root``.
        workspace: Name of the workspace, so that tabs of other work are not opened in this one.
        port: None: 8888, or the next free one; 0: any free one.
        browser: Whether to open a browser.
    """
    address = f"/lab/workspaces/{workspace}/tree/{opens.relative_to(root).as_posix()}"
    return [
        f"--ServerApp.root_dir={root}",
        "--ServerApp.ip=127.0.0.1",
        *_port(port),
        f"--ServerApp.open_browser={browser}",
        "--ServerApp.allow_root=True",  # who starts this as root runs notebooks as root without JupyterLab, too
        f"--LabApp.default_url={address}",
        f"--ServerApp.jpserver_extensions={_EXTENSION}=True",
        f"--MultiKernelManager.default_kernel_name={_KERNEL}",
        "--LabApp.news_url=None",  # nothing is fetched from the network
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "--Application.log_level=WARN",
        *_encryption(),
    ]


def _port(wanted: int | None) -> list[str]:
    if wanted is None:
        return []
    if wanted:
        return [f"--ServerApp.port={wanted}", "--ServerApp.port_retries=0"]
    with socket.create_server(("127.0.0.1", 0)) as probe:  # older servers do not know what 0 means
        return [f"--ServerApp.port={probe.getsockname()[1]}"]


def _encryption() -> list[str]:
    """Let nobody else on this computer read what goes between server and kernel, where this version can do that."""
    from jupyter_client.manager import KernelManager  # noqa: PLC0415 - heavy

    can = "transport_encryption" in KernelManager.class_trait_names()
    return ["--KernelManager.transport_encryption=auto"] if can else []


def run_jupyterlab(argv: list[str], data: Path) -> None:
    """Run JupyterLab until Ctrl-C.

    Args:
        argv: See :func:`arguments`.
        data: See :func:`write_settings`.

    Raises:
        UsageError: It cannot be started, or the user's Jupyter configuration switches its logon off.
    """
    from jupyterlab.labapp import LabApp  # noqa: PLC0415 - heavy

    with _first_in_path(data):
        try:
            app = LabApp.initialize_server(argv)
        except SystemExit as error:
            todo = "give another --port, or look at what JupyterLab wrote above"
            raise UsageError("JupyterLab could not be started", todo=todo) from error
        _refuse_open_doors(app)
        _end_in_order(app)
        app.start()
        _run_down(app.io_loop.asyncio_loop)


@contextmanager
def _first_in_path(folder: Path) -> Iterator[None]:
    names = ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH")
    before = {name: os.environ.get(name) for name in names}
    for name in names:
        os.environ[name] = os.pathsep.join(filter(None, [str(folder), before[name]]))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _end_in_order(app: Any) -> None:
    """Let Ctrl-C end it as SIGTERM does, also where JupyterLab would just fall (Windows, or without a terminal)."""

    def end(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # pressed again: at once
        app.stop(from_signal=True)

    with contextlib.suppress(ValueError):  # not in the main thread: then nobody sends signals here
        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGTERM, end)


def _run_down(loop: asyncio.AbstractEventLoop) -> None:
    """Let what still waits in a stopped loop end; threads that work for it would keep this process from ending."""
    waiting = asyncio.all_tasks(loop)
    for task in waiting:
        task.cancel()
    if waiting:
        loop.run_until_complete(asyncio.wait(waiting, timeout=5))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(asyncio.sleep(0))  # what the ends of those tasks called for


def _refuse_open_doors(app: Any) -> None:
    if not app.identity_provider.auth_enabled:
        app.clear_instance()
        raise UsageError(
            "your Jupyter configuration lets anybody in without a token or password",
            where="jupyter_server_config",
            todo="take ServerApp.token = '' and IdentityProvider.token = '' out of it",
        )
