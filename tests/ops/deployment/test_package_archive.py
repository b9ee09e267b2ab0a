"""The zip itself."""

import io
import zipfile

from ops.deployment.package.archive import zipped

FILES = {"index.py": b"x = 1\n", "a/b.py": b"", "名.json": b"{}"}


def test_a_zip_is_sorted_and_says_nothing_of_its_making() -> None:
    with zipfile.ZipFile(io.BytesIO(zipped(FILES))) as archive:
        entries = archive.infolist()

        assert ["a/b.py", "index.py", "名.json"] == [entry.filename for entry in entries]
        assert {(1980, 1, 1, 0, 0, 0)} == {entry.date_time for entry in entries}
        assert {0o100644} == {entry.external_attr >> 16 for entry in entries}
        assert FILES == {name: archive.read(name) for name in archive.namelist()}


def test_the_order_in_which_files_come_makes_no_difference() -> None:
    assert zipped(FILES) == zipped(dict(reversed(FILES.items())))
