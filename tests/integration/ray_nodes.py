"""Nodes of a Ray cluster on one machine, each in a network namespace of its own, that can be killed like a machine."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from databases import wait_until

_RAY_PORT, _DASHBOARD_PORT = 6379, 8265
_ENVIRONMENT = {
    # Known to be gone after 5 s rather than 15.
    "RAY_health_check_period_ms": "1000",
    # A worker that takes long to start is not given up: the next one would take as long.
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
    "OMP_NUM_THREADS": "1",
}


class RayNodes:
    """A head that trains nothing, and workers of one core each. This machine reaches them all."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        # Jobs are started with the `python` that is found first.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = os.environ | _ENVIRONMENT | {"PATH": path} | (environment or {})
        # Unix sockets lie in it.
        self._folder = Path(tempfile.mkdtemp(prefix="gfnodes-", dir="/tmp"))
        self._name = f"gf{os.getpid() % 100_000}"
        self._subnet = f"10.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}"
        self._hosts: list[str] = []
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._add_bridge()

    @property
    def address(self) -> str:
        """For drivers, which have to run on a node."""
        return f"{self._subnet}.2:{_RAY_PORT}"

    @property
    def jobs_address(self) -> str:
        return f"http://{self._subnet}.2:{_DASHBOARD_PORT}"

    @property
    def on_head(self) -> list[str]:
        """What makes a command line one of the head node."""
        return ["ip", "netns", "exec", self._hosts[0]]

    def start_head(self, *, dashboard: bool) -> None:
        self._start(
            "--head",
            f"--port={_RAY_PORT}",
            "--num-cpus=0",
            f"--include-dashboard={str(dashboard).lower()}",
            "--dashboard-host=0.0.0.0",
            f"--dashboard-port={_DASHBOARD_PORT}",
            f"--temp-dir={self._folder}",
        )

    def start_worker(self) -> str:
        """The node's name, to kill it by."""
        return self._start(f"--address={self.address}", "--num-cpus=1")

    def pids(self, host: str) -> list[int]:
        return [int(pid) for pid in self._run("ip", "netns", "pids", host).split()]

    def kill(self, host: str) -> None:
        """Everything of the node is gone at once, as when its power fails."""
        self._run("ip", "link", "set", _outer(host), "down")
        for pid in self.pids(host):
            os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        for host in reversed(self._hosts):
            for pid in self.pids(host):
                os.kill(pid, signal.SIGKILL)
        for node in self._nodes:
            node.wait(60)
        for host in self._hosts:
            self._run("ip", "netns", "del", host)
        self._run("ip", "link", "del", self._name)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _add_bridge(self) -> None:
        try:
            self._run("ip", "link", "add", self._name, "type", "bridge")
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(self._folder)
            pytest.skip(f"network namespaces need root and iproute2: {error}")
        self._run("ip", "addr", "add", f"{self._subnet}.1/24", "dev", self._name)
        self._run("ip", "link", "set", self._name, "up")

    def _start(self, *options: str) -> str:
        host = f"{self._name}-{len(self._hosts)}"
        own = f"{self._subnet}.{len(self._hosts) + 2}"
        self._run("ip", "netns", "add", host)
        self._hosts.append(host)
        self._run("ip", "link", "add", _outer(host), "type", "veth", "peer", "name", "eth0", "netns", host)
        self._run("ip", "link", "set", _outer(host), "master", self._name, "up")
        within = ["ip", "-n", host]
        self._run(*within, "addr", "add", f"{own}/24", "dev", "eth0")
        self._run(*within, "link", "set", "eth0", "up")
        self._run(*within, "link", "set", "lo", "up")
        ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", f"--node-ip-address={own}"]
        self._join(host, [*ray, "--object-store-memory=100000000", *options])
        return host

    def _join(self, host: str, command: list[str]) -> None:
        """One node after the other: each gives up after 30 s, and may do so on a busy machine."""
        log = self._folder / f"{host}.log"
        tries: list[subprocess.Popen[bytes]] = []

        def has_joined() -> bool:
            if not tries or tries[-1].poll() is not None:
                with log.open("wb") as out:
                    within = ["ip", "netns", "exec", host, *command]
                    tries.append(subprocess.Popen(within, env=self._environment, stdout=out, stderr=subprocess.STDOUT))
                self._nodes.append(tries[-1])
            return "will now block forever" in log.read_text()

        wait_until(has_joined, f"a Ray node, see {log}")

    @staticmethod
    def _run(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _outer(host: str) -> str:
    return f"{host}v"
