"""A real JupyterLab for tests, started by ``tlsrunbook notebook``; it reads no configuration of this computer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import nbformat
import requests
from jupyter_client.blocking.client import BlockingKernelClient

from tlsrunbook.adapters.archive import SiteArchive
from tlsrunbook.evidence.chain import Verdict, verify

ROOT = Path(__file__).parents[2]
_T = TypeVar("_T")
#: Settings of the front end: every cell in the page, and no save but the ones that a test asks for.
_SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
}


def waited_for(seen: Callable[[], _T | None], what: str, seconds: float = 60.0) -> _T:
    """Look again and again until there is something to see, and give it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = seen()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not seen within {seconds} s")


class Jupyter:
    """A JupyterLab of its own: configuration, data, home and evidence lie in one folder.

    Args:
        folder: Empty.
        final_save: Seconds that a finished session waits for its notebook.
    """

    def __init__(self, folder: Path, final_save: float = 600.0) -> None:
        self.folder = folder
        self.runs, self.work = folder / "runs", folder / "work"
        self.own = folder / "own"  # what the user's configuration folder is to tlsrunbook
        self._config = folder / "jupyter-config"
        self._runtime = folder / "runtime"
        self._log = folder / "jupyter.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._configure(final_save)

    def _configure(self, final_save: float) -> None:
        for name, settings in _SETTINGS.items():
            path = self._config / "lab" / "user-settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings), encoding="utf-8")
        told = {"LabApp": {"expose_app_in_browser": True}, "TlsRunbookExtension": {"final_save_seconds": final_save}}
        (self._config / "jupyter_lab_config.json").write_text(json.dumps(told), encoding="utf-8")
        (self._config / "jupyter_server_config.json").write_text(json.dumps(told), encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the server's process."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "TLSRUNBOOK"))}
        own = {
            "HOME": self.folder / "home",
            "USERPROFILE": self.folder / "home",
            "JUPYTER_CONFIG_DIR": self._config,
            "JUPYTER_DATA_DIR": self.folder / "data",
            "JUPYTER_RUNTIME_DIR": self._runtime,
            "IPYTHONDIR": self.folder / "ipython",
            "TLSRUNBOOK_CONFIG_DIR": self.own,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        }
        return clean | {name: str(value) for name, value in own.items()}

    def start(self, *arguments: str, **environment: str) -> Jupyter:
        """Start it: ``tlsrunbook notebook`` with these arguments."""
        command = ["tlsrunbook", "notebook", *arguments, "--no-browser", "--port", "0"]
        if "--lab" not in arguments:
            command += ["--runs", str(self.runs), "--work", str(self.work)]
        return self._start(command, environment)

    def start_alone(self) -> Jupyter:
        """Start it as a person does who has installed the package and knows nothing of ``tlsrunbook notebook``."""
        argv = ["jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port=0", f"--ServerApp.root_dir={self.work}"]
        return self._start(argv, {"JUPYTER_CONFIG_PATH": str(ROOT / "etc" / "jupyter")})

    def _start(self, command: list[str], environment: Mapping[str, str]) -> Jupyter:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=self.environment | dict(environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._info = waited_for(self._started, "JupyterLab's start", 120)
        return self

    def _started(self) -> dict[str, Any] | None:
        assert self._process
        assert self._process.poll() is None, self.log
        for path in self._runtime.glob("jpserver-*.json"):
            with contextlib.suppress(ValueError, OSError):  # just being written, or not reached yet
                found: dict[str, Any] = json.loads(path.read_bytes())
                # It is written a moment before the port listens.
                if found["pid"] == self._process.pid and requests.get(f"{found['url']}api", timeout=10).ok:
                    return found
        return None

    def stop(self) -> int:
        """End it as Ctrl-C does; give its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        try:
            return process.wait(60)
        finally:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it as a power cut does."""
        process, self._process = self._process, None
        assert process
        process.kill()
        process.wait()

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def root(self) -> Path:
        """The folder that it shows."""
        return Path(self._info["root_dir"])

    @property
    def token(self) -> str:
        """What lets somebody in."""
        return str(self._info["token"])

    def address(self, place: str) -> str:
        """Give the whole address of a page, without the token."""
        return f"{self._info['url']}{place}"

    # --- without a browser --------------------------------------------------------------------------------------------

    def ask(self, method: str, place: str, data: object = None) -> Any:
        """Call its REST API, and give the JSON it answers with."""
        headers = {"Authorization": f"token {self.token}"}
        answer = requests.request(method, self.address(f"api/{place}"), json=data, headers=headers, timeout=60)
        assert answer.ok, f"{method} {place}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def read(self, name: str) -> dict[str, Any]:
        """Give a notebook as it lies on disk."""
        return dict(json.loads((self.root / name).read_bytes()))

    def save(self, name: str, notebook: dict[str, Any]) -> None:
        """Save a notebook as the front end does."""
        self.ask("PUT", f"contents/{name}", {"type": "notebook", "format": "json", "content": notebook})

    def renderings(self, site: str = "london") -> dict[Path, dict[str, Any]]:
        """Give what became of the notebook of every session so far."""
        found = self.runs.glob(f"{site}/*/sessions/*/rendering.json")
        return {path: json.loads(path.read_bytes()) for path in sorted(found)}

    def new_rendering(self, before: Container[Path]) -> tuple[Path, dict[str, Any]]:
        """Wait until another session is settled."""

        def seen() -> tuple[Path, dict[str, Any]] | None:
            return next(((path, told) for path, told in self.renderings().items() if path not in before), None)

        return waited_for(seen, "a settled session")

    def seal_of(self, path: Path, site: str = "london") -> Verdict:
        """Wait until a file is sealed; verify the site's evidence then."""
        name = path.relative_to(self.runs / site).as_posix()

        def covered() -> bool:
            statements = (self.runs / site / "seals").glob("[0-9]*/statement.json")
            return any(f'"{name}"' in one.read_text(encoding="utf-8") for one in statements)

        waited_for(covered, f"a seal of {name}")
        return self.sealed(site)

    def sealed(self, site: str = "london") -> Verdict:
        """Verify a site's evidence, and give what was seen; nothing may be wrong."""
        verdict = verify(SiteArchive(self.runs / site).contents())
        assert verdict.flaws == ()
        return verdict


@contextlib.contextmanager
def running(folder: Path, *arguments: str, final_save: float = 600.0, **environment: str) -> Iterator[Jupyter]:
    """Run a JupyterLab for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    jupyter = Jupyter(folder, final_save)
    try:
        yield jupyter.start(*arguments, **environment)
    finally:
        jupyter.stop()


class Kernel:
    """A notebook's kernel, driven as the front end drives it: outputs go into the notebook that is saved.

    Args:
        name: Of the notebook, below the folder that JupyterLab shows.
    """

    def __init__(self, jupyter: Jupyter, name: str) -> None:
        self._jupyter, self._name = jupyter, name
        self.notebook = jupyter.read(name)
        told = {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
        self.id = str(jupyter.ask("POST", "sessions", told)["kernel"]["id"])
        self._client = BlockingKernelClient(connection_file=str(jupyter._runtime / f"kernel-{self.id}.json"))
        self._client.load_connection_file()
        self._client.start_channels(hb=False)  # a kernel that starts slowly is not dead
        self._client.wait_for_ready(timeout=60)

    def run(self, *cells: str, **parameters: str) -> str:
        """Run code cells by id, all when none is named, until one fails; give what ended it, or an empty text.

        Args:
            cells: Ids.
            parameters: Run after the cell tagged ``parameters``, which stays as it is.
        """
        for cell in self.notebook["cells"]:
            if cell["cell_type"] != "code" or (cells and cell["id"] not in cells):
                continue
            more = "".join(f"\n{name} = {value!r}" for name, value in parameters.items())
            failed = self._execute(cell, more if cell["id"] == "parameters" else "")
            if failed:
                return failed
        return ""

    def _execute(self, cell: dict[str, Any], more: str = "") -> str:
        cell["outputs"] = []
        failed = ""

        def take(message: dict[str, Any]) -> None:
            nonlocal failed
            if message["msg_type"] in ("stream", "display_data", "execute_result", "error"):
                cell["outputs"].append(nbformat.v4.output_from_msg(message))
            if message["msg_type"] == "error":
                failed = f"{message['content']['ename']}: {message['content']['evalue']}"

        source = "".join(cell["source"]) + more
        reply = self._client.execute_interactive(source, output_hook=take, allow_stdin=False, timeout=120)
        cell["execution_count"] = reply["content"].get("execution_count")
        return failed

    def value(self, expression: str) -> Any:
        """Give what an expression is in the kernel; it must be a literal."""
        cell = {"source": f"print({expression})", "outputs": []}
        assert not self._execute(cell)
        return "".join(output["text"] for output in cell["outputs"]).strip()

    def save(self) -> None:
        """Save the notebook with its outputs."""
        self._jupyter.save(self._name, self.notebook)

    def end(self) -> None:
        """Shut the kernel down, as the person does in JupyterLab."""
        self.close()
        self._jupyter.ask("DELETE", f"kernels/{self.id}")

    def close(self) -> None:
        """Let go of it; it runs on."""
        self._client.stop_channels()
