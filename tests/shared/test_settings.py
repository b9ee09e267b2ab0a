"""Settings are checked once, and all problems are reported together."""

import json
import subprocess
import sys
from base64 import b64encode

import pytest

from shared.errors import SettingsError
from shared.settings import load_settings
from tests.fakes import ENVIRONMENT

REQUIRED = {k: v for k, v in ENVIRONMENT.items() if not k.endswith("_ENDPOINT")}


def test_all_missing() -> None:
    """One error names every missing setting."""
    with pytest.raises(SettingsError) as caught:
        load_settings({"VEIMAGEX_DOMAIN": "  "})

    assert [
        "VEIMAGEX_SERVICE_ID is not set: it is the veImageX service's id.",
        "VEIMAGEX_DOMAIN is not set: it is a domain bound to that service.",
    ] == caught.value.problems[:2]
    assert caught.value.problems[2].startswith("VEIMAGEX_TEMPLATE is not set")
    assert caught.value.problems[3].startswith("REPAINT_LEDGER is not set")
    assert "4 settings are invalid" in str(caught.value)


def test_defaults() -> None:
    """The defaults are those of the documentation."""
    settings = load_settings(REQUIRED)

    assert settings.imagex_endpoint() == "https://imagex.volcengineapi.com"
    assert settings.tos_endpoints("cn-beijing") == ("https://tos-cn-beijing.volces.com",) * 2
    assert settings.output_prefix == "repaint/"
    assert (35, 35, 120) == (
        settings.timeout_seconds,
        settings.settle_seconds,
        settings.deadline_seconds,
    )


def test_region_endpoint() -> None:
    """The endpoint follows the region."""
    settings = load_settings({**REQUIRED, "VEIMAGEX_REGION": "ap-southeast-1"})

    assert settings.imagex_endpoint() == "https://imagex.ap-southeast-1.volcengineapi.com"


def test_public_endpoint() -> None:
    """veImageX reads the source from the public form of an internal endpoint."""
    settings = load_settings({**REQUIRED, "TOS_ENDPOINT": "https://tos-cn-beijing.ivolces.com"})

    assert settings.tos_endpoints("cn-beijing") == (
        "https://tos-cn-beijing.ivolces.com",
        "https://tos-cn-beijing.volces.com",
    )


def test_endpoint_without_scheme() -> None:
    """An endpoint may be given without its scheme."""
    settings = load_settings({**REQUIRED, "TOS_ENDPOINT": "tos-cn-guangzhou.volces.com"})

    assert settings.tos_endpoint == "https://tos-cn-guangzhou.volces.com"


def test_platform_timeout() -> None:
    """The platform's timeout is the deadline unless another one is set."""
    assert load_settings({**REQUIRED, "_FAAS_FUNC_TIMEOUT": "300"}).deadline_seconds == 300
    both = {**REQUIRED, "_FAAS_FUNC_TIMEOUT": "300", "REPAINT_DEADLINE_SECONDS": "60"}
    assert load_settings(both).deadline_seconds == 60


def test_invalid_platform_timeout() -> None:
    """A platform's timeout that is not a number is ignored."""
    assert load_settings({**REQUIRED, "_FAAS_FUNC_TIMEOUT": "abc"}).deadline_seconds == 120


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("VEIMAGEX_REGION", "mars", "VEIMAGEX_REGION is 'mars': known are cn-north-1"),
        ("VEIMAGEX_TIMEOUT_SECONDS", "soon", "VEIMAGEX_TIMEOUT_SECONDS is wrong: input should be"),
        ("VEIMAGEX_TIMEOUT_SECONDS", "0", "greater than 0"),
        ("TOS_ENDPOINT", "https://user:pw@host", "without path, user or query"),
        ("TOS_ENDPOINT", "http://host:notaport", "TOS_ENDPOINT is wrong"),
        ("TOS_REGION", "evil.example/?", "TOS_REGION is wrong"),
        ("VEIMAGEX_TEMPLATE", "tplv~x", "without '~'"),
        ("REPAINT_OUTPUT_PREFIX", "/x", "begins or ends with '/'"),
        ("REPAINT_OUTPUT_PREFIX", "x y/", "has a space"),
        ("REPAINT_OUTPUT_PREFIX", "x" * 150, "184 bytes of UTF-8"),
        ("REPAINT_SUFFIXES", ",", "REPAINT_SUFFIXES is wrong"),
        ("REPAINT_LEDGER", "tos://Not_A_Bucket/x/", "write tos://"),
        ("REPAINT_PRESETS", "[" * 100_000, "it is not JSON"),
        ("REPAINT_PRESETS", '[{"prefix": "", "prompt": "  "}]', "at 0.prompt is wrong"),
        ("REPAINT_PRESETS", '[{"prefix": "", "req_json": {"seed": 1}}]', "use seed"),
        ("REPAINT_PRESETS", '[{"prefix": "", "req_json": {"image_urls": null}}]', "not a list"),
        ("REPAINT_PRESETS", '[{"prefix": "", "req_json": {"oops": 1}}]', "oops"),
        ("REPAINT_LEDGER", "/tmp/x", "write tos://bucket/prefix/ or sqlite:///absolute/path"),
        ("REPAINT_LEDGER", "tos://bucket", "write tos://"),
        ("REPAINT_PRESETS", "[", "it is not JSON"),
        ("REPAINT_PRESETS", '[{"prefix": "", "sede": 1}]', "REPAINT_PRESETS at 0.sede is wrong"),
        ("REPAINT_PRESETS", '[{"prefix": "", "steps": 51}]', "at 0.steps is wrong"),
        ("REPAINT_DAILY_CAP", "many", "REPAINT_DAILY_CAP is wrong"),
        ("REPAINT_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("REPAINT_WEBHOOK_SECRET", "whsec_!", "it is not base64; make one: python -c"),
        ("REPAINT_WEBHOOK_SECRET", "whsec_aHVzaA==", "has 4 bytes, and 24 to 64 are"),
        ("REPAINT_WEBHOOK_SECRET", b64encode(b"x" * 65).decode(), "has 65 bytes"),
    ],
)
def test_invalid_value(name: str, value: str, sentence: str) -> None:
    """An invalid value is reported with what is needed."""
    with pytest.raises(SettingsError) as caught:
        load_settings({**REQUIRED, name: value})

    (problem,) = caught.value.problems
    assert sentence in problem


WEBHOOK_SECRET = f"whsec_{b64encode(b'x' * 32).decode()}"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("hooks.example.com/x", "a URL such as https://example.com/repaint is needed"),
        ("https:///x", "a URL such as"),
        ("ftp://hooks.example.com/", "a URL such as"),
        ("https://hooks.example.com/a b", "a URL such as"),
        ("https://hooks.example.com/猫", "a URL such as"),
        ("https://u:hush/y@hooks.example.com/", "a URL such as"),
        ("https://[hush/", "a URL such as"),
        ("https://user:hush@hooks.example.com/", "it must have no user, password"),
        ("https://hooks.example.com/#hush", "it must have no user, password"),
        ("http://hooks.example.com/?token=hush", "begin it with https://"),
    ],
)
def test_unsafe_webhook_url(url: str, sentence: str) -> None:
    """An unsafe webhook URL is refused and not repeated."""
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {**REQUIRED, "REPAINT_WEBHOOK_URL": url, "REPAINT_WEBHOOK_SECRET": WEBHOOK_SECRET}
        )

    (problem,) = caught.value.problems
    assert problem.startswith(f"REPAINT_WEBHOOK_URL is wrong: {sentence}")
    assert "hush" not in problem


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/a?token=t", "http://localhost:9000/", "http://127.0.0.1:9/x"]
)
def test_webhook_url(url: str) -> None:
    """A webhook URL is https or local, and never shown."""
    settings = load_settings(
        {**REQUIRED, "REPAINT_WEBHOOK_URL": url, "REPAINT_WEBHOOK_SECRET": WEBHOOK_SECRET}
    )

    assert settings.webhook_url is not None
    assert url == settings.webhook_url.get_secret_value()
    assert url not in repr(settings)


def test_webhook_without_secret() -> None:
    """The error for a missing secret has a command that makes a valid one."""
    url = {"REPAINT_WEBHOOK_URL": "https://hooks.example.com/"}
    with pytest.raises(SettingsError) as caught:
        load_settings({**REQUIRED, **url})
    (problem,) = caught.value.problems
    assert problem.startswith("REPAINT_WEBHOOK_SECRET is not set")
    program = problem.partition('python -c "')[2].partition('".')[0]
    made = subprocess.check_output([sys.executable, "-c", program], text=True).strip()

    settings = load_settings({**REQUIRED, **url, "REPAINT_WEBHOOK_SECRET": made})

    assert settings.webhook_secret is not None
    assert made == settings.webhook_secret.get_secret_value()
    assert made.startswith("whsec_")


def test_all_invalid() -> None:
    """All invalid values are reported together."""
    wrong = {"REPAINT_DAILY_CAP": "x", "REPAINT_LEDGER": "x", "VEIMAGEX_REGION": "x"}
    with pytest.raises(SettingsError) as caught:
        load_settings(wrong)

    assert len(caught.value.problems) == 6


def test_hidden_secrets() -> None:
    """A secret is neither shown nor repeated in an error."""
    settings = load_settings({**REQUIRED, "REPAINT_HTTP_TOKENS": "token-one, token-two"})
    with pytest.raises(SettingsError) as caught:
        load_settings({"REPAINT_WEBHOOK_SECRET": "hush", "REPAINT_LEDGER": "hush"})

    assert [s.get_secret_value() for s in settings.http_tokens] == ["token-one", "token-two"]
    assert "token-one" not in repr(settings)
    assert "hush" not in str(caught.value)


def test_presets_and_lists() -> None:
    """Presets and lists are read."""
    presets = [{"prefix": "a/", "prompt": "漫画", "req_json": {"return_url": True}}]
    settings = load_settings(
        {**REQUIRED, "REPAINT_PRESETS": json.dumps(presets), "REPAINT_PREFIXES": "a/, b/,"}
    )

    assert settings.prefixes == ("a/", "b/")
    assert settings.presets[0].req_json == {"return_url": True}
