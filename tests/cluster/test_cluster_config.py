"""The configuration of a part: Dask's own YAML, and what is fixed for changes whatever it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.installed import needs_distributed
from tlsrunbook.adapters.cluster_config import FIXED, make_cluster
from tlsrunbook.adapters.cluster_node import read_config
from tlsrunbook.errors import UsageError

pytestmark = needs_distributed


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    make_cluster(tmp_path, "sched.example.net", ("london",))
    return tmp_path


def test_what_is_fixed_stands_in_the_file_and_is_read_from_it(cluster: Path) -> None:
    for part, role in (("scheduler", "scheduler"), ("controller", "controller"), ("sites/london", "worker")):
        read = read_config(cluster / part, role)
        assert read.scheduler == "tls://sched.example.net:8786"
        assert FIXED.items() <= read.dask.items()
        assert read.dask["distributed.scheduler.no-workers-timeout"] == "60s"
        ends = {"controller": "client"}.get(role, role)
        assert read.dask[f"distributed.comm.tls.{ends}.key"] == str(cluster / part / "key.pem")
        assert read.dask["distributed.comm.tls.ca-file"] == str(cluster / part / "ca.pem")


def test_what_is_fixed_holds_whatever_the_file_says(cluster: Path) -> None:
    file = cluster / "scheduler" / "cluster.yaml"
    text = file.read_text(encoding="utf-8")
    text = text.replace("allowed-failures: 0", "allowed-failures: 3").replace("encryption: true", "encryption: false")
    file.write_text(text.replace('"60s"', '"5s"'), encoding="utf-8")
    read = read_config(file, "scheduler")
    assert read.dask["distributed.scheduler.allowed-failures"] == 0
    assert read.dask["distributed.comm.require-encryption"] is True
    assert read.dask["distributed.scheduler.no-workers-timeout"] == "5s"


def test_the_fixed_settings_are_ones_that_dask_knows() -> None:
    import dask  # noqa: PLC0415 - where it is installed
    import distributed  # noqa: F401, PLC0415

    for name in (*FIXED, "distributed.scheduler.no-workers-timeout", "distributed.comm.tls.ca-file"):
        assert dask.config.get(name, default="missing") != "missing", name


def test_the_configuration_of_another_part_is_refused(cluster: Path) -> None:
    with pytest.raises(UsageError, match="of a scheduler, not of a worker"):
        read_config(cluster / "scheduler", "worker")


@pytest.mark.parametrize("text", ["", "- a list", "tlsrunbook: 1", "a: [", "tlsrunbook: {role: worker}"])
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="cluster init makes one"):
        read_config(file, "worker")


def test_a_missing_key_is_told_by_its_path(cluster: Path) -> None:
    (cluster / "sites" / "london" / "key.pem").unlink()
    with pytest.raises(UsageError, match=r"key is not there") as caught:
        read_config(cluster / "sites" / "london", "worker")
    assert str(cluster / "sites" / "london" / "key.pem") in caught.value.where
