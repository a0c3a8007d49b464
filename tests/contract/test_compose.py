"""docker-compose.yml is a compose file, and keeps the promises of docs/deploy.md."""

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from compose_spec import PyCompose

from gatefront.search.cli.main import build_app

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
OURS = ("ray-head", "ray-worker", "ray-worker-gpu", "service")


def _interpolated(value: Any) -> Any:
    """What compose makes of ``${NAME:-default}`` and ``$$`` where no variable is set."""
    if isinstance(value, dict):
        return {key: _interpolated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolated(item) for item in value]
    if isinstance(value, str):
        filled = re.sub(r"(?<!\$)\$\{\w+:-([^}]*)\}", r"\1", value)
        assert not re.search(r"(?<!\$)\$(?!\$)", filled.replace("$$", "")), f"a variable without a default: {value}"
        return filled.replace("$$", "$")
    return value


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = _interpolated(yaml.safe_load(TEXT))
    return document


def test_it_is_a_compose_file(compose: dict[str, Any]) -> None:
    parsed = PyCompose.from_yaml(yaml.safe_dump(compose))
    assert set(parsed.service_names()) == {"postgres", *OURS}
    with pytest.raises(ValueError, match="helthcheck"):
        PyCompose.from_yaml("services: {a: {image: b, helthcheck: {}}}")


def test_only_the_service_is_reachable_and_only_from_this_machine(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"service": ["127.0.0.1:8050:8050"]}
    assert not any("network_mode" in service for service in compose["services"].values())


@pytest.mark.parametrize("name", ["postgres", *OURS])
def test_each_part_is_watched_and_started_in_order(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"
    waits_for = service.get("depends_on", {})
    assert waits_for.keys() <= compose["services"].keys()
    assert all(found == {"condition": "service_healthy"} for found in waits_for.values())
    assert bool(waits_for) == (name != "postgres")


def test_secrets_are_files_and_stand_nowhere_else(compose: dict[str, Any]) -> None:
    assert all(list(secret) == ["file"] for secret in compose["secrets"].values())
    for service in compose["services"].values():
        assert set(service["secrets"]) <= compose["secrets"].keys()
        for variable, value in service["environment"].items():
            assert not re.search(r"PASSWORD$|TOKEN$|TOKENS$", variable)
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{variable} holds a password"
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "secrets/" in ignored


@pytest.mark.parametrize("name", OURS)
def test_rays_parts_know_each_other_by_a_token(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["environment"]["RAY_AUTH_MODE"] == "token"
    assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
    assert "ray_token" in service["secrets"]


def test_all_parts_of_ours_are_one_image_and_share_their_files(compose: dict[str, Any]) -> None:
    services = [compose["services"][name] for name in OURS]
    assert {service["image"] for service in services} == {"gatefront:latest"}
    assert all(service["build"] == services[0]["build"] for service in services)
    assert all(service["volumes"] == services[0]["volumes"] for service in services)
    assert [volume.split(":")[1] for volume in services[0]["volumes"]] == ["/srv/gatefront", "/data"]
    for name in ("ray-head", "service"):
        assert compose["services"][name]["environment"]["GATEFRONT_STORAGE"] == "/srv/gatefront"


def test_workers_are_scaled_with_a_flag(compose: dict[str, Any]) -> None:
    worker = compose["services"]["ray-worker"]
    assert "container_name" not in worker
    assert "hostname" not in worker
    gpu = compose["services"]["ray-worker-gpu"]
    assert gpu["profiles"] == ["gpu"]
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_the_image_holds_this_repository_and_its_pins(compose: dict[str, Any]) -> None:
    recipe = compose["services"]["service"]["build"]["dockerfile_inline"]
    for source in re.findall(r"^COPY ((?!--).*) \S+$", recipe, flags=re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split())
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pins = [found for found in dependencies if "==" in found and found.startswith("torch")]
    assert len(pins) == 2
    assert all(pin in recipe for pin in pins)
    assert re.search(r"^USER gatefront$", recipe, flags=re.MULTILINE)


def test_the_service_is_started_with_options_that_there_are(compose: dict[str, Any]) -> None:
    program, command, *options = compose["services"]["service"]["command"]
    assert (program, command) == ("gatefront", "serve")
    parameters = typer.main.get_command(build_app()).commands["serve"].params  # type: ignore[attr-defined]
    known = {name for parameter in parameters for name in parameter.opts}
    assert {option.partition("=")[0] for option in options} <= known


def test_the_password_is_handed_over_in_a_file_of_its_own_user(compose: dict[str, Any], tmp_path: Path) -> None:
    recipe = compose["services"]["service"]["build"]["dockerfile_inline"]
    script = re.search(r"<<'SCRIPT' \S+\n(.*?)\nSCRIPT$", recipe, flags=re.DOTALL | re.MULTILINE)
    assert script is not None
    secret = tmp_path / "postgres_password"
    secret.write_text("a:b\\c d'$e")
    runnable = tmp_path / "entry"
    runnable.write_text(script[1].replace("/run/secrets/postgres_password", str(secret)))
    said = subprocess.run(
        ["sh", str(runnable), "echo", "two words"],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "two words\n"
    passfile = tmp_path / ".pgpass"
    assert passfile.read_text() == "postgres:5432:*:gatefront:a\\:b\\\\c d'$e\n"
    assert passfile.stat().st_mode & 0o077 == 0


def test_the_document_names_the_secrets_and_the_flags(compose: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "deploy.md").read_text()
    for name in compose["secrets"]:
        assert f"secrets/{name}" in text
    for variable in set(re.findall(r"\$\{(\w+):-", TEXT)):
        assert variable in text
    assert "--scale ray-worker=" in text
    for line in re.findall(r"^docker compose .*$", text, flags=re.MULTILINE):
        words = shlex.split(line.partition("  ")[0])
        assert all(word in compose["services"] for word in words[3:] if word in ("ray-worker", "service"))
