"""The checks of the settings: valid values that are hardly intended."""

import pytest

from ops.checks.check import CheckState
from ops.checks.settings import settings_findings
from shared.settings import load_settings
from tests.fakes import ENVIRONMENT
from tests.inbox import SECRET as WEBHOOK_SECRET


@pytest.mark.parametrize(
    ("settings", "name", "state", "sentence"),
    [
        ({"REPAINT_DEADLINE_SECONDS": "30"}, "REPAINT_DEADLINE_SECONDS", CheckState.WRONG, "37"),
        ({"_FAAS_FUNC_TIMEOUT": "30"}, "REPAINT_DEADLINE_SECONDS", CheckState.WRONG, "37"),
        (
            {"VEIMAGEX_TIMEOUT_SECONDS": "5"},
            "VEIMAGEX_TIMEOUT_SECONDS",
            CheckState.WARNING,
            "given up",
        ),
        ({"VEIMAGEX_SETTLE_SECONDS": "5"}, "VEIMAGEX_SETTLE_SECONDS", CheckState.WARNING, "again"),
        (
            {"REPAINT_DEFAULT_PROMPT": "x"},
            "REPAINT_DEFAULT_PROMPT",
            CheckState.WARNING,
            "every picture",
        ),
        (
            {"REPAINT_PRESETS": '[{"prefix": "", "prompt": "x"}]'},
            "REPAINT_PRESETS",
            CheckState.WARNING,
            "every picture",
        ),
        (
            {"REPAINT_PRESETS": '[{"prefix": "a/"}, {"prefix": "a/b/"}]'},
            "REPAINT_PRESETS",
            CheckState.WARNING,
            "'a/b/' never applies",
        ),
        (
            {"REPAINT_PRESETS": '[{"prefix": "a/"}]', "REPAINT_PREFIXES": "b/"},
            "REPAINT_PRESETS",
            CheckState.WARNING,
            "outside REPAINT_PREFIXES",
        ),
        (
            {"REPAINT_PRESETS": '[{"prefix": "a/", "output": "art.png"}]'},
            "REPAINT_PRESETS",
            CheckState.WARNING,
            "'a/' gives every upload the output name 'art.png'",
        ),
        (
            {"REPAINT_DAILY_CAP": "0"},
            "REPAINT_DAILY_CAP",
            CheckState.WARNING,
            "nothing is generated",
        ),
        ({"REPAINT_HTTP_TOKENS": "hunter2"}, "REPAINT_HTTP_TOKENS", CheckState.WARNING, "1 of 1"),
        (
            {"REPAINT_WEBHOOK_SECRET": WEBHOOK_SECRET},
            "REPAINT_WEBHOOK_SECRET",
            CheckState.WARNING,
            "none are sent",
        ),
        (
            {
                "REPAINT_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "REPAINT_WEBHOOK_URL": "http://10.0.0.1/hunter2?hunter2",
            },
            "REPAINT_WEBHOOK_URL",
            CheckState.WARNING,
            "http://10.0.0.1 is for a test",
        ),
        (
            {"TOS_PUBLIC_ENDPOINT": "https://tos-cn-beijing.ivolces.com"},
            "TOS_PUBLIC_ENDPOINT",
            CheckState.WRONG,
            "cannot read the sources",
        ),
        (
            {"TOS_ENDPOINT": "https://tos-cn-beijing.volces.com", "TOS_REGION": "cn-shanghai"},
            "TOS_REGION",
            CheckState.WARNING,
            "signed for cn-shanghai",
        ),
        (
            {"VEIMAGEX_ENDPOINT": "http://imagex.example.com"},
            "VEIMAGEX_ENDPOINT",
            CheckState.WARNING,
            "not encrypted",
        ),
    ],
)
def test_doubtful_value(
    settings: dict[str, str], name: str, state: CheckState, sentence: str
) -> None:
    """A value that is valid but hardly intended is found, and no secret is shown."""
    found = settings_findings(load_settings({**ENVIRONMENT, **settings}))

    named = [f for f in found if f.name == name]
    assert [state] == [f.state for f in named]
    assert sentence in named[0].found
    assert named[0].fix
    assert "hunter2" not in str(found)


def test_wrapping_preset() -> None:
    """A preset that only wraps prompts gives no prompt to every object."""
    presets = '[{"prefix": "", "prompt": "{prompt}, 水彩", "output": "{stem}.png"}]'
    settings = {**ENVIRONMENT, "REPAINT_LEDGER": "tos://state/x/", "REPAINT_PRESETS": presets}

    [found] = settings_findings(load_settings(settings))

    assert ("settings", CheckState.OK) == (found.name, found.state)


def test_intended_values() -> None:
    """Without doubtful values there is the summary alone."""
    meant = {
        "REPAINT_LEDGER": "tos://state/x/",
        "REPAINT_PREFIXES": "uploads/",
        "REPAINT_DEFAULT_PROMPT": "水彩",
        "REPAINT_PRESETS": '[{"prefix": "uploads/a/"}, {"prefix": "uploads/"}]',
        "REPAINT_HTTP_TOKENS": "x" * 32,
        "REPAINT_WEBHOOK_URL": "https://hooks.example.com/",
        "REPAINT_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "TOS_ENDPOINT": "https://tos-cn-beijing.ivolces.com",
    }

    [found] = settings_findings(load_settings({**ENVIRONMENT, **meant}))

    assert ("settings", CheckState.OK) == (found.name, found.state)
