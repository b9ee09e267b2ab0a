"""Ours among the rules of others: merged, written back, and anew where somebody was faster."""

import random
from pathlib import Path
from typing import Any

import pytest

from local.cloud import UPLOADS_BUCKET, Cloud, FixedCredentials
from ops.deployment.bucket_rules import (
    BucketRules,
    OurRule,
    TosBuckets,
    change_rules,
    merged,
)
from ops.deployment.serverless_yml.service import TosEvent
from shared.clients.http import PooledTransport
from shared.clock import SystemClock
from shared.errors import TosError
from tests.ops.deployment.fake_platform import FakeBuckets, FakePlatform, others

NAME = "repaint-dev-upload"
RULE = OurRule(f"{NAME}-0123abcd", TosEvent("photos", ("tos:ObjectCreated:*",), "new/"), NAME)


def ours(suffix: str = "0123abcd", prefix: str = "new/", called: str = "fn1") -> dict[str, Any]:
    return {
        "RuleId": f"{NAME}-{suffix}",
        "Events": ["tos:ObjectCreated:*"],
        "Filter": {"TOSKey": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
        "Destination": {"VeFaaS": [{"FunctionId": called}]},
    }


def merge(*entries: dict[str, Any], rules: tuple[OurRule, ...] = (RULE,)) -> list[dict[str, Any]]:
    return merged(entries, rules, {NAME: "fn1"}, [NAME])


def test_a_rule_comes_behind_those_that_are_there() -> None:
    assert [others(), ours()] == merge(others())


def test_a_rule_that_says_the_same_already_stays_letter_for_letter() -> None:
    # The official client writes the id in another way than it reads it.
    there = {**ours(), "RuleID": ours()["RuleId"], "Extra": 1}
    del there["RuleId"]

    assert [there] == merge(there)


@pytest.mark.parametrize("there", [ours(prefix="other/"), ours(called="gone")])
def test_a_rule_that_says_something_else_is_written_anew_in_its_place(there: Any) -> None:
    assert [ours(), others()] == merge(there, others())


def test_rules_of_ours_that_are_not_wanted_go() -> None:
    assert [others(), ours()] == merge(ours("99999999", "old/"), others())


@pytest.mark.parametrize(
    "rule_id", [f"{NAME}-old-0123abcd", "repaint-dev-http-0123abcd", f"{NAME}-0123ABCD", NAME]
)
def test_a_rule_of_another_name_is_not_ours(rule_id: str) -> None:
    assert [others(rule_id), ours()] == merge(others(rule_id))


def test_a_change_in_between_is_kept_and_ours_is_merged_anew() -> None:
    buckets = FakeBuckets(FakePlatform(), photos=[others()])
    buckets.meanwhile = [others("in-between", "x/"), others("and-another", "y/")]

    change_rules(buckets, "photos", lambda entries: [*entries, others("ours", "z/")])

    names = [rule["RuleId"] for rule in buckets.there["photos"]]
    assert ["theirs", "and-another", "in-between", "ours"] == names


def test_nothing_is_written_where_the_rules_are_right() -> None:
    buckets = FakeBuckets(FakePlatform(), photos=[others()])

    change_rules(buckets, "photos", list)

    assert 0 == buckets.written


def test_a_refusal_for_another_reason_is_told() -> None:
    buckets = FakeBuckets(FakePlatform(), photos=[])

    with pytest.raises(TosError, match="never released"):
        change_rules(buckets, "photos", lambda _: [ours()])


def test_the_rules_of_the_local_cloud_are_read_and_written(tmp_path: Path) -> None:
    transport = PooledTransport()
    with Cloud(tmp_path, bare=True) as cloud:
        buckets = TosBuckets(
            endpoint=cloud.tos.address,
            public_endpoint=cloud.tos.address,
            region="cn-beijing",
            credentials=FixedCredentials(cloud.credentials),
            transport=transport,
            clock=SystemClock(),
            rng=random.Random(1),
        )
        before = buckets.rules(UPLOADS_BUCKET)
        missing = buckets.rules("no-such-bucket")
        stale = "a-version-of-before"
        with pytest.raises(TosError):
            buckets.set_rules(UPLOADS_BUCKET, [ours()], stale)
        transport.close()

    assert (BucketRules((), None), None) == (before, missing)
