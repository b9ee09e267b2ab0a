"""`repaint deploy`, `remove` and `rollback`: what serverless.yml says, made so on the platform.

serverless.yml ──▶ wanted ┐
                          ├─▶ plan ──▶ shown, asked ──▶ steps, one after the other
platform, buckets ─▶ found┘     (a pure function)        (each can be taken again)

Nothing is remembered on this machine: every run looks at what is there. So a run that was stopped
is made up for by the next one.
"""
