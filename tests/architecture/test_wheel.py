"""What the image is built from: the wheel has every file that a hub needs, and runs where nothing of the checkout is.

Built offline by the pinned build requirements that `make setup` keeps in .tools/build, from the files that the Dockerfile copies;
put into an environment that has the locked runtime dependencies and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import urllib3

from tests.architecture.test_tooling import committed_files
from tests.conftest import StartProcess
from tests.processes import Run, free_port

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("claims", "idp", "sso_connect", "admin", "hub")
LEFT_OUT = re.compile(r"hub/cli/demo(_\w+)?\.py")
PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel, and an environment with it."""

    wheel: Path
    home: Path

    @property
    def idhub(self) -> Path:
        return self.home / "bin" / "idhub"

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`idhub` with next to no environment, far from the checkout."""
        return subprocess.run(
            [self.idhub, *arguments],
            env={"PATH": "/usr/bin:/bin"} | environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def text(self, *arguments: str, **environment: str) -> str:
        """What it prints when it goes well."""
        done = self.run(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(run: Run) -> Iterator[Installed]:
    """Built and installed once."""
    place = Path(tempfile.mkdtemp(prefix="wheel-", dir=run.folder))
    source = place / "source"
    source.mkdir()
    for name in _copied_by_the_image():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place / "dist"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / ".tools" / "build")},
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, f"{built.stdout}{built.stderr}\nrun `make setup`"
    (wheel,) = (place / "dist").glob("*.whl")
    home = place / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    for name in _runtime_dependencies():
        _link(name, packages)
    _install(wheel, home, packages)
    yield Installed(wheel, home)
    shutil.rmtree(place)


def _copied_by_the_image() -> list[str]:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [line.split() for line in lines if line.startswith("COPY ") and "--from" not in line]
    return [name for words in copied for name in words[1:-1]]


def _runtime_dependencies() -> list[str]:
    """What `uv sync --no-dev` installs by uv.lock: names of the project's dependencies, and of theirs."""
    uv = next(str(path) for path in (ROOT / ".tools/uv/bin/uv", shutil.which("uv")) if path and os.access(path, os.X_OK))
    told = subprocess.run(
        [uv, "export", "--frozen", "--offline", "--no-dev", "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.split("==")[0].split("[")[0] for line in told.stdout.splitlines() if "==" in line]


def _link(name: str, packages: Path) -> None:
    """Make a package of our .venv part of the other environment: all of its folders and modules, and no other."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return  # for another platform
    for top in {str(file).split("/", 1)[0] for file in found.files or () if not str(file).startswith("..")}:
        if top != "__pycache__" and not (packages / top).exists():
            (packages / top).symlink_to(str(found.locate_file(top)))


def _install(wheel: Path, home: Path, packages: Path) -> None:
    """As an installer does: unpack, and make the programs of entry_points.txt."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (entry_points,) = packages.glob("identity_hub-*.dist-info/entry_points.txt")
    scripts = re.findall(r"^(\S+) = ([\w.]+):(\w+)$", entry_points.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [name for name, _, _ in scripts] == ["idhub"]
    for name, module, function in scripts:
        path = home / "bin" / name
        path.write_text(f"#!{home}/bin/python\nfrom {module} import {function}\n{function}()\n", encoding="utf-8")
        path.chmod(0o755)


def test_the_wheel_has_every_file_of_our_packages_and_no_other(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {
        str(path.relative_to(ROOT))
        for path in committed_files()
        if path.relative_to(ROOT).parts[0] in PACKAGES and not LEFT_OUT.fullmatch(str(path.relative_to(ROOT)))
    }
    wanted |= {f"sso_connect/api/guide/{name}.md" for name in ("partner-guide", "partner-reference", "partner-flows")}
    assert packed == wanted
    endings = {Path(name).suffix or Path(name).name for name in packed}
    assert {".py", ".html", ".css", ".js", ".svg", ".yaml", ".lua", ".typed", ".mako"} <= endings


def test_help_of_every_command_is_there_and_the_demo_is_not_offered(installed: Installed) -> None:
    told = installed.text("--help")
    assert re.search(r"^\s+serve\s", told, flags=re.MULTILINE)
    assert not re.search(r"^\s+demo\b", told, flags=re.MULTILINE)
    for command in ("serve", "worker", "migrate", "backup", "restore"):
        assert f"Usage: idhub {command}" in installed.text(command, "--help")
    assert installed.text("--version").startswith("idhub, version ")


@pytest.mark.parametrize("arguments", [("demo",), ("demo", "--check"), ("demo", "--help")])
def test_the_demo_says_in_one_line_where_it_is_to_be_had(installed: Installed, arguments: tuple[str, ...]) -> None:
    done = installed.run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "demo is not part of the installed package: run `make demo` in a source checkout\n"


def test_the_document_of_the_api_is_printed(installed: Installed) -> None:
    assert json.loads(installed.text("openapi"))["openapi"].startswith("3.1")


def test_a_hub_is_set_up_serves_its_pages_and_works_from_the_wheel_alone(
    installed: Installed, tmp_path: Path, start_process: StartProcess
) -> None:
    settings = Path(installed.text("init", "--dir", str(tmp_path / "hub")).strip())
    port = free_port()
    text = settings.read_text(encoding="utf-8").replace(":8080", f":{port}")
    settings.write_text(text, encoding="utf-8")
    environment = {"IDHUB_SETTINGS": str(settings)}
    installed.text("migrate", **environment)
    installed.text("billers", "create", "9001", "--slug", "riverbend", "--dba", "Riverbend", **environment)
    serve = start_process(
        "serve",
        [installed.idhub, "serve"],
        environment=environment,
        ready_url=f"http://127.0.0.1:{port}/readyz",
        working_folder=Path("/"),
    )
    with urllib3.PoolManager(retries=False, timeout=30.0) as pool:
        documents = pool.request("GET", f"http://127.0.0.1:{port}/api/v1/docs", headers={"Host": f"api.hub.localhost:{port}"})
        assert documents.status == 200
        page = pool.request(
            "GET", f"http://127.0.0.1:{port}/b/riverbend/nowhere", headers={"Host": f"riverbend.hub.localhost:{port}"}
        )
        assert page.status == 404
        style = re.search(r'href="(/static/[^"]+\.css)"', page.data.decode())
        assert style
        found = pool.request("GET", f"http://127.0.0.1:{port}{style[1]}", headers={"Host": f"riverbend.hub.localhost:{port}"})
        assert found.status == 200
    worker = start_process("worker", [installed.idhub, "worker"], environment=environment, working_folder=Path("/"))
    give_up = time.monotonic() + PATIENCE
    while "worker started" not in worker.output():
        assert time.monotonic() < give_up, worker.output()
        time.sleep(0.1)
    installed.text("backup", "--to", str(tmp_path / "backup"), **environment)
    assert worker.stop(PATIENCE) == 0
    assert serve.stop(PATIENCE) == 0
