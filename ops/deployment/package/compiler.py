"""Run by the runtime's interpreter, as a file: compile every module below a folder.

Unchecked: what is compiled is used as it is, whatever time an unpacked source carries. The names
in tracebacks are those below the folder, so that its own place leaves no mark; when a module is
loaded, Python puts the place where it lies before them.
"""

import py_compile
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Compile; the first file that cannot be ends the process, and is told on stderr."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py"))
    for name in names:
        try:
            py_compile.compile(
                str(folder / name),
                dfile=name,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except py_compile.PyCompileError as error:
            sys.exit(f"{name}: {error.exc_value}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
