"""`gatefront serve` under a supervisor: an end that was asked for is no crash, and leaves nothing behind."""

import os
import signal
import tempfile
import threading
from pathlib import Path

import httpx2
import pytest

from gatefront.dashboards.server.listen import listen
from gatefront.dashboards.server.serve import ServeOptions, serve_studies


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_a_signal_ends_the_service_with_status_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    listening = listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    answers: list[int] = []
    folders: list[Path] = []
    with httpx2.Client(base_url=address, timeout=60) as browser:

        def look_and_end() -> None:
            # Its connection stays open, as a browser's does. A service that answers takes signals.
            answers.append(browser.get("/healthz").status_code)
            folders.extend(tmp_path.glob("gatefront-bundles-*"))
            os.kill(os.getpid(), how)

        visitor = threading.Thread(target=look_and_end)
        visitor.start()
        options = ServeOptions(host="127.0.0.1", url=f"sqlite:///{tmp_path}/gatefront.db", storage=tmp_path / "runs")
        with pytest.raises(SystemExit) as ended:
            serve_studies(options, listening)
        visitor.join(60)
    assert (answers, ended.value.code) == ([200], 0)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    assert len(folders) == 1
    assert list(tmp_path.glob("gatefront-bundles-*")) == []
