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


def test_default_deny() -> None:
    """An action that no statement allows is denied."""
    assert not allows(get())
    assert allows(get(), statement())
    assert not allows(get(action="tos:PutObject"), statement())
    assert not allows(get(), statement(Resource=["trn:tos:::others/*"]))


def test_explicit_deny() -> None:
    """A Deny outweighs every Allow."""
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
def test_actions(action: str, expected: bool) -> None:
    """Actions are matched with wildcards."""
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
def test_resources(resource: str, expected: bool) -> None:
    """Resources are matched part by part."""
    assert expected == allows(get(), statement(Resource=[resource]))


def test_wildcard() -> None:
    """A wildcard matches slashes, colons and line ends."""
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
def test_condition(condition: dict[str, Any], prefix: str, expected: bool) -> None:
    """A condition compares the prefix of a listing."""
    made = statement(Action=["tos:ListBucket"], Resource=[PHOTOS], Condition=condition)

    assert expected == allows(listing(prefix), made)


def test_all_actions() -> None:
    """Every action of a request must be allowed."""
    policies = Policies({"painter": {"Statement": [statement()]}})

    reason = policies.denial("painter", [get(), get(action="tos:PutObject")])

    assert (
        "The policy of the role painter does not allow tos:PutObject on "
        "trn:tos:cn-beijing:local:photos/a.png."
    ) == reason


def test_no_policy() -> None:
    """Without a policy, a role and the account may do everything."""
    keys, policies = KeyRing(), Policies()
    account, role = keys.issue(), keys.issue(role="trn:iam::2100000001:role/painter")

    assert denial(policies, keys, account.access_key, [get()]) is None
    assert denial(policies, keys, role.access_key, [get()]) is None
    policies.set("painter", {"Statement": [statement("Deny")]})
    assert denial(policies, keys, account.access_key, [get()]) is None
    assert denial(None, keys, role.access_key, [get()]) is None
    assert "denies tos:GetObject" in str(denial(policies, keys, role.access_key, [get()]))


@pytest.mark.parametrize(
    ("document", "message"),
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
def test_unsupported_policy(document: dict[str, Any], message: str) -> None:
    """An unsupported policy is refused with the reason."""
    with pytest.raises(ValueError, match=message):
        Policies({"painter": document})
