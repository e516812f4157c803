"""The image and docker-compose.yml: checked without an engine, by docker-compose itself and against the code that they run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from idp.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
REQUIRED = {
    "IDHUB_MASTER_KEY": "bWFkZSB1cCBmb3IgYSB0ZXN0LCAzMiBieXRlcyBsb24=",
    "IDHUB_PORTAL_DOMAIN": "hub.example.com",
    "POSTGRES_PASSWORD": "madeup1",
    "REDIS_PASSWORD": "madeup2",
}
HUBS = ("hub-1", "hub-2")
OUR_SERVICES = (*HUBS, "worker", "migrate")


def _compose(program: Path, folder: Path, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`docker-compose config` in a folder of its own, where no .env of a developer is."""
    (folder / "docker-compose.yml").write_bytes((ROOT / "docker-compose.yml").read_bytes())
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)} | given
    return subprocess.run(
        [program, "config"], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def composed(docker_compose: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The file as docker-compose understands it."""
    told = _compose(docker_compose, tmp_path_factory.mktemp("compose"), REQUIRED)
    assert told.returncode == 0, told.stderr
    understood: dict[str, Any] = yaml.safe_load(told.stdout)
    return understood


def _lines(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_proxy_hubs_worker_migration_postgresql_and_redis_are_there(composed: dict[str, Any]) -> None:
    assert set(composed["services"]) == {"proxy", *HUBS, "worker", "migrate", "postgres", "redis"}


@pytest.mark.parametrize("missing", sorted(REQUIRED))
def test_a_secret_or_name_that_is_not_set_stops_docker_compose_with_its_name(
    docker_compose: Path, tmp_path: Path, missing: str
) -> None:
    told = _compose(docker_compose, tmp_path, {name: value for name, value in REQUIRED.items() if name != missing})
    assert told.returncode != 0
    assert f"{missing} is not set" in told.stderr


def test_only_the_proxy_is_published(composed: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in composed["services"].items() if service.get("ports")}
    assert list(published) == ["proxy"]
    assert {number for port in published["proxy"] for number in re.findall(r"[0-9]+", str(port))} == {"80", "443"}


def test_the_proxy_runs_the_configuration_that_the_tests_run_and_finds_the_hubs_where_they_are(composed: dict[str, Any]) -> None:
    proxy, text = composed["services"]["proxy"], (ROOT / "docs" / "nginx.conf").read_text(encoding="utf-8")
    mounted = dict(volume.split(":")[1::-1] for volume in proxy["volumes"])
    assert mounted["/etc/nginx/nginx.conf"].endswith("/docs/nginx.conf")
    assert "/etc/nginx/tls" in mounted
    assert set(re.findall(r"server (hub-\d):8080 ", text)) == set(HUBS)
    for name in HUBS:
        hub = composed["services"][name]
        assert f"{name}:{hub['networks']['outside']['ipv4_address']}" in proxy["extra_hosts"]
        assert hub["environment"]["IDHUB_LISTEN"] == "0.0.0.0:8080"


def test_each_hub_believes_the_proxy_and_nobody_else(composed: dict[str, Any]) -> None:
    address = composed["services"]["proxy"]["networks"]["outside"]["ipv4_address"]
    for name in HUBS:
        assert composed["services"][name]["environment"]["IDHUB_TRUSTED_PROXIES"] == f"{address}/32"


def test_stores_are_on_the_internal_network_alone(composed: dict[str, Any]) -> None:
    assert composed["networks"]["inside"]["internal"] is True
    for store in ("postgres", "redis"):
        assert list(composed["services"][store]["networks"]) == ["inside"]
        assert composed["services"][store]["healthcheck"]["test"]


def test_redis_evicts_nothing_and_writes_every_command_down(composed: dict[str, Any]) -> None:
    command = " ".join(composed["services"]["redis"]["command"])
    for setting in ("maxmemory-policy noeviction", "appendonly yes", "appendfsync always", "requirepass "):
        assert setting in command
    assert REQUIRED["REDIS_PASSWORD"] not in command


def test_hubs_and_worker_start_when_the_migration_went_through(composed: dict[str, Any]) -> None:
    for name in (*HUBS, "worker"):
        waits = composed["services"][name]["depends_on"]
        assert waits["migrate"]["condition"] == "service_completed_successfully"
        assert waits["redis"]["condition"] == "service_healthy"
    assert composed["services"]["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_every_setting_in_the_compose_file_and_the_image_is_one_that_the_hub_knows(composed: dict[str, Any]) -> None:
    known = {f"IDHUB_{name.upper()}" for name in Settings.model_fields}
    for name in OUR_SERVICES:
        given = set(composed["services"][name]["environment"])
        assert given <= known
        assert {"IDHUB_DATABASE_URL", "IDHUB_KEYVALUE_URL", *(key for key in REQUIRED if key.startswith("IDHUB_"))} <= given
    assert set(re.findall(r"IDHUB_[A-Z_]+", "\n".join(_lines("Dockerfile")))) <= known


def test_every_command_in_the_compose_file_is_one_of_idhub(composed: dict[str, Any]) -> None:
    program = Path(sys.executable).with_name("idhub")
    told = subprocess.run([program, "--help"], capture_output=True, text=True, check=True, timeout=60)
    for name in OUR_SERVICES:
        (command,) = composed["services"][name]["command"]
        assert re.search(rf"^\s+{command}\b", told.stdout, flags=re.MULTILINE), told.stdout


def test_the_image_runs_as_a_user_without_rights_and_carries_no_secret() -> None:
    lines = _lines("Dockerfile")
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    assert not [line for line in lines if line.startswith(("ENV", "ARG")) and re.search(r"KEY|PASSWORD|SECRET|TOKEN", line)]
    assert any(line.startswith("HEALTHCHECK") and "/healthz" in line for line in lines)


def test_the_image_can_back_up_the_database_of_the_compose_file(composed: dict[str, Any]) -> None:
    """Debian bookworm's postgresql-client is version 15: pg_dump may be newer than the server, not older."""
    assert re.search(r"apt-get install .*\bpostgresql-client\b", "\n".join(_lines("Dockerfile")))
    assert "bookworm" in next(line for line in reversed(_lines("Dockerfile")) if line.startswith("FROM"))
    assert composed["services"]["postgres"]["image"] == "postgres:15-bookworm"


def test_everything_that_the_image_copies_exists_and_is_let_through_by_dockerignore() -> None:
    let_through = {line.removeprefix("!") for line in _lines(".dockerignore") if line.startswith("!")}
    from_here = [line.split() for line in _lines("Dockerfile") if line.startswith("COPY ") and "--from" not in line]
    copied = [name for words in from_here for name in words[1:-1]]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert name in let_through, name
