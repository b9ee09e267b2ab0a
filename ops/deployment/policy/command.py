"""`repaint policy`: the two documents that the functions' role is made of."""

from typing import Annotated

import typer

from ops.deployment.policy.documents import role_policy, trust_policy
from ops.deployment.serverless_yml.options import SERVERLESS_YML, Config, Stage, service_of
from ops.ui.output import people, print_json


def policy(
    context: typer.Context,
    *,
    stage: Stage = None,
    config: Config = SERVERLESS_YML,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Print what the functions' role must allow: no more than what they use.

    Nothing is called or changed: make the role in the IAM console from the two documents.

    Example: [b]repaint policy --stage prod[/]
    """
    service = service_of(context, config, stage)
    documents = {"policy": role_policy(service), "trust": trust_policy()}
    if as_json:
        print_json(documents)
        return
    say = people()
    say.print(f"[bold]Policy[/]  of the role of {service.name}, stage {service.stage}")
    say.print_json(data=documents["policy"])
    say.print("\n[bold]Trust[/]   who takes on the role")
    say.print_json(data=documents["trust"])
    say.print(
        "\nIn the IAM console (访问控制): make a custom policy (自定义策略) of the first, a role "
        "(角色) for the service veFaaS with the second, and give the role the policy. Then export "
        "REPAINT_ROLE=trn:iam::<account id>:role/<its name>, which serverless.yml reads."
    )
