"""Which wheels the runtime needs, and that each of them is pinned.

pip holds the conditions of requirements (`; sys_platform == "win32"`) against the system that it
runs on, whatever platform it picks wheels for. Held against the runtime's here, a zip is the same
from any system, and what pip left out is told instead of missed on the platform.
"""

import email
import zipfile
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from ops.deployment.package.target import Target
from ops.deployment.package.wheels import CONSTRAINTS, REQUIREMENTS, Wheel
from ops.ui.output import Refused


def needed(root: Path, wheels: list[Wheel], target: Target) -> list[Wheel]:
    """Return those of `wheels` that requirements.txt leads to on the runtime.

    Raises Refused where one is missing, or its version is not pinned.
    """
    known = {wheel.name: wheel for wheel in wheels}
    markers = target.markers()
    seen: set[tuple[NormalizedName, str]] = set()
    open_ends = [(REQUIREMENTS, "", req) for req in _requirements(root / REQUIREMENTS)]
    while open_ends:
        asker, extra, requirement = open_ends.pop()
        if requirement.marker and not requirement.marker.evaluate({**markers, "extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        wheel = known.get(name)
        if wheel is None or not requirement.specifier.contains(wheel.version, prereleases=True):
            raise Refused(
                f"{asker} needs {requirement} with {target}, and pip on this system got "
                f"{wheel.path.name if wheel else 'none'}: add it to {REQUIREMENTS}, pinned."
            )
        for part in {"", *requirement.extras} - {part for other, part in seen if other == name}:
            seen.add((name, part))
            open_ends += [(wheel.path.name, part, inner) for inner in _requires(wheel)]
    found = [wheel for wheel in wheels if any(wheel.name == name for name, _ in seen)]
    _check_pins(root, found)
    return found


def _check_pins(root: Path, wheels: list[Wheel]) -> None:
    """See that a build next month finds the same versions. Raises Refused."""
    pinned = {
        canonicalize_name(requirement.name)
        for name in (REQUIREMENTS, CONSTRAINTS)
        for requirement in _requirements(root / name)
        if any(pin.operator in ("==", "===") for pin in requirement.specifier)
    }
    unpinned = [f"{wheel.name}=={wheel.version}" for wheel in wheels if wheel.name not in pinned]
    if unpinned:
        raise Refused(
            f"{', '.join(unpinned)} came along and is not pinned, so the next build may carry "
            f"another version: add it to {CONSTRAINTS}."
        )


def _requirements(path: Path) -> list[Requirement]:
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        try:
            if text:
                found.append(Requirement(text))
        except InvalidRequirement:
            raise Refused(
                f"{path.name}:{number}: {text!r} cannot be packed; write name==version."
            ) from None
    return found


def _requires(wheel: Wheel) -> list[Requirement]:
    """Return what a wheel says that it needs."""
    with zipfile.ZipFile(wheel.path) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    return [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
