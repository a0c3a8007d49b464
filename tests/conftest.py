"""Every test starts from the same seed and one thread; tests of many networks may share their traces."""

import copy
import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from torch import fx

    from gatefront.spaces import Architecture

os.environ.setdefault("OMP_NUM_THREADS", "1")

if "PYTEST_XDIST_WORKER" not in os.environ:
    # All processes of one run of the tests share what they found of backbones; the next run compares again.
    _cache = tempfile.TemporaryDirectory(prefix="gatefront-tests-")
    os.environ["GATEFRONT_CACHE"] = _cache.name

# A test that times out on a busy machine says nothing about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write a test's `xdist_group` behind its name, where xdist's scheduler reads it.

    xdist 3.8 writes it to an attribute that pytest 9.2 no longer reads, and so each process ran a part of each group.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        group = "_".join(sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")}))
        if group and hasattr(item, "_id") and not item.nodeid.endswith(f"@{group}"):
            item._id = type(item._id).parse(f"{item.nodeid}@{group}")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def load_module() -> Callable[[str, Path], ModuleType]:
    """Import a file that belongs to no package, under a name that is given it."""

    def load(name: str, path: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def small_disk() -> Callable[[Path, str], AbstractContextManager[None]]:
    """A disk of its own at a folder, as large as the text says."""

    @contextmanager
    def mount(folder: Path, size: str) -> Iterator[None]:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"a small disk is mounted by root only: {error}")
        try:
            yield
        finally:
            # Workers of a driver that failed, and an error of torch's, may hold files open for a while.
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    return mount


@pytest.fixture(scope="module")
def _not_compared() -> Iterator[None]:
    """Backbones are not compared with their originals, which takes minutes at the resolutions of papers.

    The contract tests compare the same backbones on small images.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gatefront.spaces.networks.encoder._require_equal_to_original", lambda _architecture: None)
        yield


@pytest.fixture
def _traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of one architecture share the trace of its encoder, which is most of the time of building them.

    Each gets a copy of its own with weights of its own, as without this.
    """
    for module in (
        "gatefront.spaces.networks.interrogate",
        "gatefront.spaces.networks.shared_network",
        "gatefront.spaces.families.network",
        "gatefront.spaces.families.lomt",
    ):
        monkeypatch.setattr(f"{module}.build_encoder", _copy_of_encoder)


def _copy_of_encoder(architecture: "Architecture") -> "fx.GraphModule":
    import torch

    traced = _encoder(architecture)
    encoder = copy.deepcopy(traced)
    # A graph's copy has notes of its own, but those of which values end where name the nodes of the original.
    copies = dict(zip(traced.graph.nodes, encoder.graph.nodes, strict=True))
    for node in encoder.graph.nodes:
        node.meta["last_uses"] = [copies[source] for source in node.meta["last_uses"]]
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.mul_(torch.empty_like(parameter).uniform_(0.8, 1.2))
    return encoder


@functools.cache
def _encoder(architecture: "Architecture") -> "fx.GraphModule":
    from gatefront.spaces.networks.encoder import build_encoder

    return build_encoder(architecture)
