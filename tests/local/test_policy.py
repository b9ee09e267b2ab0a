"""What a policy allows."""

from typing import Any

import pytest

from local.keys import KeyRing
from local.permissions import RequestedAction, denial
from tests.local.policy_engine import Policies

PHOTOS = "trn:tos:::photos"


def statement(effect: str = "Allow", **changes: Any) -> dict[str, Any]:
    made = {"Effect": effect, "Action": ["tos:GetObject"], "Resource": [f"{PHOTOS}/*"], **changes}
    return {key: value for key, value in made.items() if value is not None}


def allows(requested: RequestedAction, *statements: dict[str, Any]) -> bool:
    policies = Policies({"painter": {"Statement": list(statements)}})
    return policies.denial("painter", [requested]) is None


def get(key: str = "a.png", action: str = "tos:GetObject") -> RequestedAction:
    return RequestedAction.of(action, "cn-beijing", f"photos/{key}")


def listing(prefix: str) -> RequestedAction:
    return RequestedAction.of("tos:ListBucket", "cn-beijing", "photos", {"tos:prefix": prefix})


def test_what_no_statement_allows_is_refused() -> None:
    assert not allows(get())
    assert allows(get(), statement())
    assert not allows(get(action="tos:PutObject"), statement())
    assert not allows(get(), statement(Resource=["trn:tos:::others/*"]))


def test_what_a_statement_denies_is_refused_whatever_others_allow() -> None:
    deny = statement("Deny", Resource=[f"{PHOTOS}/secret/*"])

    assert allows(get(), statement(), deny)
    assert not allows(get("secret/a.png"), statement(), deny)
    assert not allows(get("secret/a.png"), deny, statement())


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("tos:GetObject", True),
        ("tos:Get*", True),
        ("tos:*", True),
        ("*", True),
        ("TOS:GetObject", True),
        ("tos:GetObjec?", True),
        ("tos:GetObject?", False),
        ("tos:getobject", False),
        ("tos:Put*", False),
        ("imagex:*", False),
        ("tos:Get.*", False),
    ],
)
def test_actions_are_matched_with_wildcards(action: str, expected: bool) -> None:
    assert expected == allows(get(), statement(Action=[action]))


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("*", True),
        (f"{PHOTOS}/a.png", True),
        (f"{PHOTOS}/a*", True),
        (f"{PHOTOS}/?.png", True),
        ("trn:tos:cn-beijing:local:photos/a.png", True),
        ("trn:tos:*:*:photos/*", True),
        ("trn:tos:cn-shanghai::photos/*", False),
        ("trn:tos::2100000001:photos/*", False),
        ("trn:imagex:::photos/*", False),
        (PHOTOS, False),
        (f"{PHOTOS}/b*", False),
    ],
)
def test_resources_are_matched_in_their_parts(resource: str, expected: bool) -> None:
    assert expected == allows(get(), statement(Resource=[resource]))


def test_a_wildcard_stands_for_slashes_colons_and_lines_too() -> None:
    assert allows(get("a/b:c\nd.png"), statement())


@pytest.mark.parametrize(
    ("condition", "prefix", "expected"),
    [
        ({"StringLike": {"tos:prefix": ["uploads/*"]}}, "uploads/", True),
        ({"StringLike": {"tos:prefix": "uploads/*"}}, "uploads/a", True),
        ({"StringLike": {"tos:prefix": ["uploads/*"]}}, "", False),
        ({"StringLike": {"tos:prefix": ["a/*", "b/*"]}}, "b/c", True),
        ({"StringEquals": {"tos:prefix": ["uploads/"]}}, "uploads/", True),
        ({"StringEquals": {"tos:prefix": ["uploads/*"]}}, "uploads/a", False),
        ({"StringLike": {"tos:delimiter": ["*"]}}, "uploads/", False),
    ],
)
def test_a_condition_looks_at_the_prefix(
    condition: dict[str, Any], prefix: str, expected: bool
) -> None:
    made = statement(Action=["tos:ListBucket"], Resource=[PHOTOS], Condition=condition)

    assert expected == allows(listing(prefix), made)


def test_everything_that_a_request_asks_for_must_be_allowed() -> None:
    policies = Policies({"painter": {"Statement": [statement()]}})

    reason = policies.denial("painter", [get(), get(action="tos:PutObject")])

    assert (
        "The policy of the role painter does not allow tos:PutObject on "
        "trn:tos:cn-beijing:local:photos/a.png."
    ) == reason


def test_who_has_no_policy_may_do_everything_until_one_is_set() -> None:
    keys, policies = KeyRing(), Policies()
    account, role = keys.issue(), keys.issue(role="trn:iam::2100000001:role/painter")

    assert denial(policies, keys, account.access_key, [get()]) is None
    assert denial(policies, keys, role.access_key, [get()]) is None
    policies.set("painter", {"Statement": [statement("Deny")]})
    assert denial(policies, keys, account.access_key, [get()]) is None
    assert denial(None, keys, role.access_key, [get()]) is None
    assert "denies tos:GetObject" in str(denial(policies, keys, role.access_key, [get()]))


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "Statement"),
        ({"Statement": [], "Statements": []}, "Statement"),
        ({"Statement": ["Allow"]}, "JSON object"),
        ({"Statement": [statement("allow")]}, "Allow or Deny"),
        ({"Statement": [statement(Action=None)]}, "Action"),
        ({"Statement": [statement(Action=[])]}, "Action"),
        ({"Statement": [statement(Resource=["photos/*"])]}, "trn:<service>"),
        ({"Statement": [statement(NotAction=["tos:*"])]}, "NotAction"),
        ({"Statement": [statement(Condition=["tos:prefix"])]}, "Condition"),
        ({"Statement": [statement(Condition={"IpAddress": {"a": "b"}})]}, "IpAddress"),
    ],
)
def test_a_policy_that_cannot_be_judged_is_refused(document: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Policies({"painter": document})
