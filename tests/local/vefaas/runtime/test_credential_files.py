"""The credential file of a function's role."""

import json
import stat
from pathlib import Path

from local.keys import KeyRing
from local.vefaas.runtime import Platform
from tests.fakes import FakeClock
from tests.local.vefaas.runtime.conftest import NOW, Write

HOUR = 3600.0


def test_rotation(tmp_path: Path, function: Write) -> None:
    """A file holds a temporary key, which is replaced and one period later revoked."""
    keys, clock = KeyRing(), FakeClock(NOW)
    seen = []
    with Platform(tmp_path / "cloud", clock=clock, keys=keys) as platform:
        platform.deploy(
            function("""
            import os

            def handler(event, context):
                with open(os.environ["REPAINT_CREDENTIAL_FILE"]) as file:
                    return {"body": file.read()}
            """)
        )
        file = tmp_path / "cloud" / "roles" / "paint" / "credential"
        assert 0o600 == stat.S_IMODE(file.stat().st_mode)
        for _ in range(3):
            clock.sleep(HOUR)
            platform.run_due()
            seen.append(json.loads(platform.invoke("paint", {}).body))
        first, second, third = (keys.find(each["access_key_id"]) for each in seen)
        assert first is None
        # Replaced by now, but still good for one period.
        assert second is not None
        assert third is not None
        assert [third.access_key, third.secret_key, third.session_token] == list(seen[2].values())
        assert third.session_token is not None
    assert ["access_key_id", "secret_access_key", "session_token"] == list(seen[0])
    assert not file.exists()
    assert keys.find(third.access_key) is None
