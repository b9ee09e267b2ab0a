"""Take the steps of a plan, one after the other.

What stopping after each leaves behind, for the next run to find:

```
function, 1   code and settings, with a mark "not whole"      the code is uploaded again
function, 2   the mark says which code it is                  it is released
release       a release under way                             it is waited for
timer, rule   each is one call                                what is missing is made
```

A call that got no answer may be carried out later all the same. Had the code been written together
with its mark, a platform that keeps the two apart could have the mark without the code; written in
this order, the mark may be missing and never be wrong.
"""

from collections.abc import Callable, Mapping

from ops.deployment.buckets import Buckets, change_rules
from ops.deployment.platform import Platform
from ops.deployment.releasing import Tell, wait
from ops.deployment.rules import merged
from ops.deployment.state import Mark
from ops.deployment.steps import (
    Plan,
    PutFunction,
    PutRules,
    PutTimer,
    ReleaseFunction,
    RemoveFunction,
    RemoveTimer,
    Step,
)
from shared.clock import Clock


class Work:
    """Takes steps; `ids` are the functions' by their names, and get more as functions are made."""

    def __init__(
        self,
        platform: Platform,
        buckets: Buckets,
        ids: Mapping[str, str],
        *,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._platform = platform
        self._buckets = buckets
        self._clock = clock
        self._tell = tell
        self.ids = dict(ids)

    def carry_out(self, plan: Plan, done: Callable[[Step], None]) -> None:
        """Take every step; `done` is told of each. Raises Refused where a release fails.

        Raises Refusal, TosError, NoAnswer, CredentialsError as well: running it again is safe.
        """
        for step in plan.steps:
            self._take(step)
            done(step)

    def _take(self, step: Step) -> None:
        match step:
            case PutFunction():
                self._put_function(step)
            case ReleaseFunction():
                self._release(step)
            case PutTimer():
                self._put_timer(step)
            case RemoveTimer():
                self._platform.remove_timer(self.ids[step.function], step.timer.id)
            case PutRules():
                change_rules(
                    self._buckets,
                    step.bucket,
                    lambda there: merged(there, step.rules, self.ids, step.names),
                )
            case RemoveFunction():
                self._platform.remove(self.ids[step.name])

    def _put_function(self, step: PutFunction) -> None:
        function, setup = step.wanted.function, step.wanted.version.setup
        name, unknown = function.deployed_name, Mark(step.mark.service, step.mark.stage)
        if name not in self.ids:
            self.ids[name] = self._platform.create(
                name, function.runtime, setup, unknown, step.wanted.code
            )
        elif step.with_code:
            self._platform.change(self.ids[name], setup, unknown, step.wanted.code)
        self._platform.change(self.ids[name], setup, step.mark, None)

    def _release(self, step: ReleaseFunction) -> None:
        function_id = self.ids[step.name]
        begun = self._platform.release(function_id, step.revision, step.mark)
        wait(self._platform, function_id, step.name, self._clock, self._tell, begun.record)

    def _put_timer(self, step: PutTimer) -> None:
        function_id, timer = self.ids[step.function], step.timer
        if timer.id:
            self._platform.change_timer(function_id, timer)
        else:
            self._platform.create_timer(function_id, timer.name, timer.cron, enabled=timer.enabled)
