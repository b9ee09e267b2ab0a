"""The layout: imports point down, and an upload passes through few modules."""

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from shared.results import response
from shared.uploads.events import parse_uploads
from tests.fakes import World

ROOT = Path(__file__).parents[1]
# From the top down: a package imports those after it. Modules at the top of `shared/` that nothing
# else is listed for are foundations, below all packages.
FLOORS = [
    "shared.runtime",
    "shared.http_api",
    "shared.processing.redrive",
    "shared.processing.sweep",
    "shared.processing.pipeline",
    "shared.processing.variants",
    "shared.processing.attempts",
    "shared.processing",
    "shared.webhook",
    "shared.results",
    "shared.delivery",
    "shared.ledger",
    "shared.settings",
    "shared.uploads",
    "shared.clients",
    "shared",
]
DOMAIN = ("uploads", "ledger", "processing", "webhook", "results")
# Values: their methods are no step on an upload's way.
VALUES = ("shared/ledger/record.py", "shared/results.py")
MOST_MODULES, MOST_CROSSINGS = 8, 14


def modules(*packages: str) -> Iterator[tuple[str, Path]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports when it runs, wherever the statement stands."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            known = {name for name in names if is_module(name)}
            found |= known or {node.module}
    return found


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def floor(module: str) -> int:
    """Return how far from the top a module of `shared` is."""
    return next(n for n, name in enumerate(FLOORS) if f"{module}.".startswith(f"{name}."))


def of(names: Iterable[str], *packages: str) -> list[str]:
    return sorted(n for n in names if any(f"{n}.".startswith(f"{p}.") for p in packages))


def test_no_import_up() -> None:
    """No module of `shared` imports one of a package above its own."""
    up = [
        f"{module} imports {other}"
        for module, path in modules("shared")
        for other in of(imports(path), "shared")
        if floor(other) < floor(module)
    ]

    assert [] == up


def test_no_cycle() -> None:
    """No module imports itself by way of others."""
    graph = {
        module: {name for name in imports(path) if is_module(name)} - {module}
        for module, path in modules("shared", "local", "ops", "functions")
    }
    # A package's __init__ is run before its modules, which may import it back.
    left = {
        module: {n for n in needed if n in graph and not f"{module}.".startswith(f"{n}.")}
        for module, needed in graph.items()
    }
    while free := [module for module, needed in left.items() if not needed & left.keys()]:
        for module in free:
            del left[module]

    assert {} == left


def test_clients_stand_alone() -> None:
    """`clients` knows nothing of uploads, the ledger or the application's settings."""
    above = ("settings", "uploads", "ledger", "processing", "webhook", "http_api", "runtime")
    for module, path in modules("shared/clients"):
        assert [] == of(imports(path), *(f"shared.{name}" for name in above)), module


def test_uploads_take_values() -> None:
    """`uploads` takes the few values it needs, not the settings."""
    for module, path in modules("shared/uploads"):
        assert [] == of(imports(path), "shared.settings", "shared.ledger"), module


def test_shared_stands_alone() -> None:
    """`shared` and `functions` import neither `local` nor `ops`."""
    for module, path in modules("shared", "functions"):
        assert [] == of(imports(path), "local", "ops", "tests"), module


def test_ops_starts_local_in_one_place() -> None:
    """`ops` imports `local` in one module only, for `--local`."""
    found = {module for module, path in modules("ops") if of(imports(path), "local")}

    assert {"ops.context"} == found


class Passage:
    """Counts, by profiling, the modules that calls enter and the boundaries that they cross."""

    def __init__(self) -> None:
        self.entered: Counter[str] = Counter()
        self.crossings: Counter[tuple[str, str]] = Counter()

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        module = self._module(frame)
        if event != "call" or module is None or frame.f_code.co_name == "<module>":
            return
        self.entered[module] += 1
        caller = frame.f_back
        while caller is not None and self._module(caller) is None:
            caller = caller.f_back
        before = self._module(caller) if caller else None
        if before is not None and before != module:
            self.crossings[before, module] += 1

    def _module(self, frame: FrameType) -> str | None:
        """Return the module of `shared/` whose code a frame runs."""
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(ROOT / "shared"):
            return None
        return str(path.relative_to(ROOT))


def is_step(module: str) -> bool:
    return Path(module).with_suffix("").parts[1] in DOMAIN and module not in VALUES


def test_passage_of_an_upload(capsys: pytest.CaptureFixture[str]) -> None:
    """A plain upload enters few modules of the domain, and goes to and fro between them rarely."""
    with World() as world:
        runtime = world.runtime()
        world.deliver(world.cloud.upload("uploads/first.png", prompt="warm up"), runtime)
        event, delivery = world.cloud.upload(prompt="a cat"), world.delivery(runtime)
        passage = Passage()
        sys.setprofile(passage)
        try:
            answer = response(runtime.pipeline.handle_all(parse_uploads(event), delivery))
        finally:
            sys.setprofile(None)

    assert '"generated"' in answer["body"]
    steps = sorted(module for module in passage.entered if is_step(module))
    between = {pair: count for pair, count in passage.crossings.items() if all(map(is_step, pair))}
    lines = [
        (
            f"a plain upload enters {len(steps)} modules of the domain, with "
            f"{sum(between.values())} crossings between them (all of shared: "
            f"{len(passage.entered)} modules, {sum(passage.crossings.values())} crossings)"
        ),
        *(f"  {caller} → {module}: {count}" for (caller, module), count in sorted(between.items())),
    ]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert len(steps) <= MOST_MODULES, steps
    assert sum(between.values()) <= MOST_CROSSINGS, between
