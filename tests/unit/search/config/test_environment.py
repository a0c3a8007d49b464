"""Where studies are kept, whatever folder a command runs in."""

from pathlib import Path

import pytest

from gatefront.search.config.environment import database_url, storage_folder


def test_relative_sqlite_file_is_of_the_folder_the_command_runs_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GATEFRONT_DB", raising=False)
    monkeypatch.chdir(tmp_path)
    assert database_url() == f"sqlite:///{tmp_path}/runs/gatefront.db"
    assert database_url("sqlite:///other.db") == f"sqlite:///{tmp_path}/other.db"
    assert database_url(f"sqlite:///{tmp_path}/absolute.db") == f"sqlite:///{tmp_path}/absolute.db"


def test_other_databases_are_left_alone() -> None:
    assert database_url("postgresql+psycopg://user@host/name") == "postgresql+psycopg://user@host/name"


def test_option_goes_before_environment_before_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATEFRONT_DB", f"sqlite:///{tmp_path}/environment.db")
    monkeypatch.setenv("GATEFRONT_STORAGE", str(tmp_path / "environment"))
    assert database_url() == f"sqlite:///{tmp_path}/environment.db"
    assert database_url(f"sqlite:///{tmp_path}/option.db") == f"sqlite:///{tmp_path}/option.db"
    assert storage_folder() == tmp_path / "environment"
    assert storage_folder(tmp_path / "option") == tmp_path / "option"
