"""What is to be done: found from what is there and what is wanted, without a call."""

from dataclasses import replace
from pathlib import Path

import pytest

from ops.deployment.bucket_rules import BucketRules
from ops.deployment.model import Current, Deployed, Desired, Mark, Setup, Timer, Version
from ops.deployment.plan import Change, Plan, Step, deploy_plan, removal_plan, rollback_plan
from ops.deployment.serverless_yml.service import (
    Function,
    HttpEvent,
    Logs,
    ScheduleEvent,
    Service,
    TosEvent,
    rule_id,
    timer_name,
)
from tests.ops.deployment.fake_platform import FakePlatform, others
from tests.ops.deployment.packing import ROLE, service

RUNTIME = "python3.12/v1"
CODE = "c" * 64
EVENT = TosEvent("photos", ("tos:ObjectCreated:*",), "uploads/")
EVERY_MINUTE = ScheduleEvent("*/1 * * * *")


def upload(**different: object) -> Function:
    """Return a function as it is to be."""
    function = replace(
        service(Path(), RUNTIME).functions[0],
        environment={"REPAINT_DAILY_CAP": "5", "REPAINT_HTTP_TOKENS": "the-first"},
        secrets=frozenset({"REPAINT_HTTP_TOKENS"}),
    )
    return replace(function, **different)  # type: ignore[arg-type]  # any field of a Function


def of(*functions: Function) -> Service:
    return replace(service(Path(), RUNTIME), functions=functions)


def deployed(function: Function, **different: object) -> Deployed:
    """Return a function as the platform has it after it was deployed."""
    version = Version(Setup.of(function), CODE)
    there = Deployed(
        id="fn1",
        name=function.deployed_name,
        runtime=function.runtime,
        source_type="zip",
        mark=Mark("repaint", "dev", CODE),
        draft=version,
        live=version,
        revision=3,
    )
    return replace(there, **different)  # type: ignore[arg-type]  # any field of a Deployed


def found(*functions: Deployed, **rules: tuple[object, ...] | None) -> Current:
    return Current(
        {function.name: function for function in functions},
        {
            bucket: None if entries is None else BucketRules(entries, "1")  # type: ignore[arg-type]
            for bucket, entries in rules.items()
        },
    )


def plan(function: Function, there: Current, *, code: str = CODE) -> Plan:
    return deploy_plan(of(function), [Desired(function, code, b"")], there)


def told(steps: tuple[Step, ...]) -> list[str]:
    return [f"{step.action} {step.what}" for step in steps]


def rule(function: Function, event: TosEvent = EVENT, called: str = "fn1") -> dict[str, object]:
    """Return the rule that deploying makes of an event."""
    return {
        "RuleId": rule_id(function, event),
        "Events": list(event.events),
        "Filter": {"TOSKey": {"FilterRules": [{"Name": "prefix", "Value": event.prefix}]}},
        "Destination": {"VeFaaS": [{"FunctionId": called}]},
    }


def test_what_is_there_already_is_left_alone() -> None:
    function = upload(events=(EVENT, EVERY_MINUTE))
    timer = Timer("t1", timer_name(function, EVERY_MINUTE), EVERY_MINUTE.cron, enabled=True)
    there = deployed(function, timers=(timer,))

    assert Plan() == plan(function, found(there, photos=(rule(function),)))


def test_a_function_that_is_missing_is_made_and_released_and_then_called() -> None:
    function = upload(events=(EVENT, EVERY_MINUTE))

    steps = plan(function, found(photos=())).steps

    assert [
        "create function repaint-dev-upload",
        "release function repaint-dev-upload",
        f"create timer {timer_name(function, EVERY_MINUTE)}",
        "change rules of bucket photos",
    ] == told(steps)


@pytest.mark.parametrize(
    ("different", "change"),
    [
        ({"memory_mb": 1024}, Change("memorySize", "512", "1024")),
        ({"timeout_seconds": 60}, Change("timeout", "120", "60")),
        ({"max_concurrency": 1}, Change("maxConcurrency", "10", "1")),
        ({"role": "trn:iam::1:role/x"}, Change("role", ROLE, "trn:iam::1:role/x")),
        ({"logs": Logs("p", "t")}, Change("logs", None, "p/t")),
    ],
)
def test_a_field_that_differs_is_shown_before_and_after(
    different: dict[str, object], change: Change
) -> None:
    steps = plan(upload(**different), found(deployed(upload()))).steps

    assert [(change,), ()] == [step.changes for step in steps]
    assert ["change function repaint-dev-upload", "release function repaint-dev-upload"] == told(
        steps
    )


def test_code_that_differs_is_uploaded_and_shown_by_its_digest() -> None:
    (change, _) = plan(upload(), found(deployed(upload())), code="d" * 64).steps

    assert (Change("code", f"sha256:{'c' * 16}", f"sha256:{'d' * 16}"),) == change.changes
    assert getattr(change, "with_code", None)


def test_code_stays_where_only_a_setting_differs() -> None:
    (change, _) = plan(upload(timeout_seconds=60), found(deployed(upload()))).steps

    assert not getattr(change, "with_code", None)


def test_code_of_which_nothing_is_known_is_uploaded() -> None:
    unknown = Version(Setup.of(upload()), None)
    there = deployed(upload(), mark=Mark("repaint", "dev"), draft=unknown)

    (change,) = plan(upload(), found(there)).steps

    assert (Change("code", None, f"sha256:{'c' * 16}"),) == change.changes


def test_what_was_changed_and_never_released_is_released() -> None:
    older = Version(Setup.of(upload(timeout_seconds=60)), CODE)

    (release,) = plan(upload(), found(deployed(upload(), live=older))).steps

    assert "release" == release.action
    assert (Change("timeout", "60", "120"),) == release.changes


def test_variables_are_shown_and_secrets_are_not() -> None:
    new = {"REPAINT_HTTP_TOKENS": "the-second", "REPAINT_MAX_QPS": "2"}

    (change, _) = plan(upload(environment=new), found(deployed(upload()))).steps

    assert (
        Change("environment.REPAINT_HTTP_TOKENS", "•••", "•••"),
        Change("environment.REPAINT_MAX_QPS", None, "2"),
        # Nobody can tell any more whether this one's value is a secret.
        Change("environment.REPAINT_DAILY_CAP", "•••", None),
    ) == change.changes


def test_a_value_that_looks_like_a_secret_is_not_shown() -> None:
    new = {**upload().environment, "REPAINT_WEBHOOK_URL": "https://u:hidden@example.com"}

    (change, _) = plan(upload(environment=new), found(deployed(upload()))).steps

    assert "hidden" not in str(change.changes)


def test_a_timer_that_differs_is_changed_and_one_that_is_not_wanted_removed() -> None:
    function = upload(events=(EVERY_MINUTE,))
    timers = (
        Timer("t1", timer_name(function, EVERY_MINUTE), EVERY_MINUTE.cron, enabled=False),
        Timer("t2", "upload-0123abcd", "0 * * * *", enabled=True),
        Timer("t3", "made-by-hand", "0 * * * *", enabled=True),
    )

    steps = plan(function, found(deployed(function, timers=timers))).steps

    assert [
        f"change timer {timer_name(function, EVERY_MINUTE)}",
        "remove timer upload-0123abcd",
    ] == told(steps)
    assert (Change("enabled", "false", "true"),) == steps[0].changes


def test_a_rule_takes_the_place_of_the_one_before_it() -> None:
    function = upload(events=(EVENT,))
    before = replace(EVENT, prefix="old/")
    there = found(deployed(function), photos=(others(), rule(function, before)))

    (step,) = plan(function, there).steps

    assert (
        Change(
            rule_id(function, EVENT), None, "tos:ObjectCreated:* uploads/* → repaint-dev-upload"
        ),
        Change(rule_id(function, before), "tos:ObjectCreated:* old/* → repaint-dev-upload", None),
    ) == step.changes


def test_a_rule_in_a_bucket_that_is_named_no_more_is_removed() -> None:
    function = upload(events=(EVENT,))
    there = found(
        deployed(function),
        photos=(rule(function),),
        pictures=(rule(function, replace(EVENT, bucket="pictures")), others()),
    )

    assert ["change rules of bucket pictures"] == told(plan(function, there).steps)


def test_a_rule_of_others_that_overlaps_is_in_the_way() -> None:
    function = upload(events=(EVENT,))

    found_problems = plan(function, found(photos=(others(prefix="uploads/cats/"),))).problems

    assert 1 == len(found_problems)
    assert "theirs (uploads/cats/* → of-others) of photos is not Repaint's" in found_problems[0]
    assert "choose another prefix for the event in serverless.yml" in found_problems[0]


def test_the_rule_that_a_renamed_function_leaves_is_not_called_a_strangers() -> None:
    function = upload(events=(EVENT,))
    old = replace(function, name="old", deployed_name="repaint-dev-old")
    there = replace(found(photos=(rule(old),)), orphans=("repaint-dev-old",))

    (problem,) = plan(function, there).problems

    assert f"The rule {rule_id(old, EVENT)} of photos calls repaint-dev-old" in problem
    assert "'repaint remove --function repaint-dev-old --stage dev', then deploy" in problem


def test_a_rule_of_a_function_that_is_not_deployed_along_says_so() -> None:
    function = upload(events=(EVENT,))
    other = replace(function, name="http", deployed_name="repaint-dev-http", events=())
    there = found(photos=(rule(other),))

    wanted = [Desired(function, CODE, b"")]
    (problem,) = deploy_plan(of(function, other), wanted, there).problems

    assert "add --function http" in problem


@pytest.mark.parametrize(
    ("different", "in_the_way"),
    [
        ({"role": None}, True),
        ({"role": None, "environment": {"VOLCENGINE_ACCESS_KEY": "AK"}}, False),
        ({"role": ROLE}, False),
    ],
)
def test_a_function_that_would_have_no_key_is_in_the_way(
    different: dict[str, object], in_the_way: bool
) -> None:
    problems = plan(upload(**different), found()).problems

    assert in_the_way == any(
        "repaint-dev-upload would have no access key" in problem for problem in problems
    )


def test_more_rules_than_a_bucket_can_have_are_in_the_way() -> None:
    function = upload(events=(EVENT,))
    ten = tuple(others(f"r{n}", prefix=f"p{n}/") for n in range(10))

    assert "can have 10" in " ".join(plan(function, found(photos=ten)).problems)


def test_a_bucket_that_is_not_there_is_in_the_way() -> None:
    assert "You have no bucket photos" in " ".join(
        plan(upload(events=(EVENT,)), found(photos=None)).problems
    )


def test_a_runtime_cannot_be_changed() -> None:
    (problem,) = plan(upload(), found(deployed(upload(), runtime="python3.9/v1"))).problems

    assert problem == (
        "repaint-dev-upload has the runtime python3.9/v1 with code from zip, and needs "
        "python3.12/v1 with code from a zip: neither can be changed. Remove it ('repaint remove "
        "--function upload --stage dev') and deploy again."
    )


def test_the_platforms_other_word_for_a_runtime_is_no_difference() -> None:
    there = deployed(upload(), runtime="vefaas.base.python3.12.v1", source_type="tos")

    assert Plan() == plan(upload(), found(there))


def test_a_release_under_way_is_told_of() -> None:
    there = deployed(upload(), is_releasing=True)

    assert "is being released" in " ".join(plan(upload(), found(there)).notes)


@pytest.mark.parametrize(
    ("mark", "whose"),
    [
        (None, "that Repaint did not deploy"),
        (Mark("other", "dev", CODE), "that belongs to other, dev"),
    ],
)
def test_a_function_of_somebody_else_is_not_taken_over(mark: Mark | None, whose: str) -> None:
    problems = plan(upload(), found(deployed(upload(), mark=mark))).problems

    assert 1 == len(problems)
    assert f"There is a function repaint-dev-upload {whose}" in problems[0]


def test_a_gateway_is_told_of_until_something_else_calls_the_function() -> None:
    function = upload(events=(HttpEvent(),))

    without = plan(function, found(deployed(function))).notes
    connected = plan(function, found(deployed(function, has_other_triggers=True))).notes

    assert ("API 网关" in " ".join(without), ()) == (True, connected)


def test_a_function_that_the_file_has_no_more_is_told_of() -> None:
    there = replace(found(deployed(upload())), orphans=("repaint-dev-old",))

    assert "'repaint remove --function repaint-dev-old --stage dev'" in " ".join(
        plan(upload(), there).notes
    )


def test_removing_begins_with_the_rules_and_ends_with_the_functions() -> None:
    function = upload(events=(EVENT,))
    timer = Timer("t", "made-by-hand", "0 * * * *", enabled=True)
    there = found(deployed(function, timers=(timer,)), photos=(others(), rule(function)))

    removal = removal_plan(of(function), [function.deployed_name], there)

    assert [
        "change rules of bucket photos",
        "remove timer made-by-hand",
        "remove function repaint-dev-upload",
    ] == told(removal.steps)
    assert () == removal.problems


def test_a_rule_is_removed_also_where_its_function_is_gone() -> None:
    function = upload(events=(EVENT,))
    there = found(photos=(rule(function, called="gone"),))

    removal = removal_plan(of(function), [function.deployed_name], there)

    assert ["change rules of bucket photos"] == told(removal.steps)


def test_a_rule_of_others_that_calls_a_function_is_in_the_way_of_its_removal() -> None:
    function = upload()
    there = found(deployed(function), photos=(others(called="fn1"),))

    problems = removal_plan(of(function), [function.deployed_name], there).problems

    assert 1 == len(problems)
    assert "The rule theirs of photos is not Repaint's and calls repaint-dev-upload" in problems[0]


def test_a_function_of_somebody_else_is_not_removed_and_neither_is_what_calls_it() -> None:
    there = found(deployed(upload(), mark=None), photos=(rule(upload()),))

    removal = removal_plan(of(upload()), ["repaint-dev-upload"], there)

    assert () == removal.steps
    assert "was not deployed for this service and stage" in " ".join(removal.notes)


def test_a_function_of_somebody_else_is_not_rolled_back() -> None:
    there = found(deployed(upload(), mark=Mark("other", "dev", CODE)))

    back = rollback_plan(of(upload()), ["repaint-dev-upload"], there, FakePlatform())

    assert () == back.steps
    assert (
        "repaint-dev-upload was not deployed for this service and stage: it is not changed.",
    ) == (back.notes)
