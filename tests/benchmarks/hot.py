"""Writes down which functions every kernel runs, and which names it refers to: ``python -m tests.benchmarks.hot``.

``run/kernels/layout.py`` and ``names.py`` say what for.

A kernel is started as the template's are, watched from then on, and executes the step notebooks of an Edge Transport
and of a Mailbox server on the lab.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

from tests.support.lab_process import LabProcess
from tests.support.notebooks import a_notebook
from tlsrunbook.run.engine import NotebookJob
from tlsrunbook.run.kernels.manager import PrivateKernelManager
from tlsrunbook.run.kernels.words import KEEP_SESSION
from tlsrunbook.run.notebooks import notebook_path
from tlsrunbook.steps.registry import STEPS

SERVERS = ("EDGE1", "MBX1")
_seen: dict[CodeType, None] = {}
#: Every name there is before a kernel serves, with how often it is referred to.
_names: dict[str, int] = {}

_DUMP = """
import json, tests.benchmarks.hot as hot
found = {{"names": hot.names(), "functions": hot.functions()}}
open({place!r}, "w", encoding="utf-8").write(json.dumps(found))
"""


def watch(frame: FrameType, event: str, _: Any) -> None:
    """Note a function that is called."""
    if event == "call":
        _seen[frame.f_code] = None


def functions() -> list[tuple[str, str]]:
    """Give the functions whose code was called, as pairs of module and qualified name."""
    sys.setprofile(None)
    every = (one for one in gc.get_objects() if isinstance(one, FunctionType) and one.__code__ in _seen)
    return sorted({(str(one.__module__), one.__qualname__) for one in every if " " not in one.__qualname__})


def count_names() -> None:
    """Note how often each name is referred to."""
    found = {one for kept in _within(gc.get_objects()) for one in kept if type(one) is str and one.isidentifier()}
    _names.update(dict.fromkeys((one for one in found if sys.intern(one) is one), 0))
    del found
    counts = [sys.getrefcount(one) for one in _names]
    _names.update(zip(_names, counts, strict=True))


def names() -> list[str]:
    """Give the names that are referred to more often, or less, than they were."""
    counts = [sys.getrefcount(one) for one in _names]
    return [one for one, now in zip(_names, counts, strict=True) if now != _names[one]]


def _within(objects: Iterable[Any]) -> Iterator[Iterable[Any]]:
    """Give what objects hold, and what the code of those that are functions holds."""
    for one in objects:
        held = gc.get_referents(one)
        yield held
        for code in held:
            if isinstance(code, CodeType):
                yield from _names_of(code)


def _names_of(code: CodeType) -> Iterator[Iterable[Any]]:
    yield from (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_consts, (code.co_name,))
    for one in code.co_consts:
        if isinstance(one, tuple):
            yield one
        elif isinstance(one, CodeType):
            yield from _names_of(one)


def be_a_kernel() -> None:
    """Be a kernel that is made ready as the template is, and watched from then on."""
    import tests.benchmarks.hot as this  # noqa: PLC0415, PLW0406 - by its own name, under which a cell finds it
    from tlsrunbook.run.kernels.kernel import RunbookApp, serve  # noqa: PLC0415
    from tlsrunbook.run.kernels.prepare import prepare  # noqa: PLC0415
    from tlsrunbook.run.kernels.warm import warm  # noqa: PLC0415

    prepare()
    warm()
    app: Any = RunbookApp.instance()
    app.prepare(sys.argv[1:])
    app.build()
    this.count_names()
    threading.setprofile(this.watch)
    sys.setprofile(this.watch)
    serve(app)


class _Watched(KernelSpecManager):
    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        del kernel_name
        return KernelSpec(argv=[sys.executable, "-m", __spec__.name, "-f", "{connection_file}"], language="python")


async def _measure(site: Path, server: str, folder: Path) -> dict[str, list[Any]]:
    from tlsrunbook.run.kernels.running import started  # noqa: PLC0415 - a kernel does not need it
    from tlsrunbook.run.notebook_execution import execute  # noqa: PLC0415

    kernel = await started(PrivateKernelManager(kernel_spec_manager=_Watched()))
    await kernel.adopt({KEEP_SESSION: "1"}, str(folder))
    given = {"site": str(site), "server": server, "runs": str(folder / "runs"), "mode": "apply"}
    jobs = [NotebookJob(notebook_path(step.notebook), folder / "out.ipynb", given) for step in STEPS]
    place = folder / f"{server}.json"
    dump = a_notebook(folder / "dump.ipynb", parameters="site = ''", dump=_DUMP.format(place=str(place)))
    for job in [*jobs, NotebookJob(dump, folder / "out.ipynb", {"site": ""})]:
        done = await execute(job, kernel)
        if done.ended_by:
            raise SystemExit(done.ended_by)
    await kernel.part(10)
    await kernel.kill()
    return dict(json.loads(place.read_bytes()))


def main() -> None:
    """Measure, and write the list."""
    from tlsrunbook.run.kernels import layout  # noqa: PLC0415

    found: dict[str, set[str]] = defaultdict(set)
    words: set[str] = set()
    with tempfile.TemporaryDirectory() as folder, LabProcess(sites=1, servers=2) as lab:
        (site,) = lab.write_site_files(Path(folder) / "sites")
        for server in SERVERS:
            measured = asyncio.run(_measure(site, server, Path(folder)))
            words.update(measured["names"])
            for module, name in measured["functions"]:
                found[module].add(name)
    lines = [" ".join((module, *sorted(names))) for module, names in sorted(found.items()) if module != "None"]
    Path(layout.__file__).with_name("hot.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    Path(layout.__file__).with_name("hot-names.txt").write_text("\n".join(sorted(words)) + "\n", encoding="utf-8")
    print(f"{sum(map(len, found.values()))} functions of {len(found)} modules, {len(words)} names")


if __name__ == "__main__":
    be_a_kernel() if "-f" in sys.argv else main()
