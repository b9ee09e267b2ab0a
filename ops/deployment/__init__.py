"""Deploy serverless.yml to veFaaS, remove it, and roll it back.

serverless.yml ──▶ desired ┐
                           ├─▶ plan ──▶ shown, confirmed ──▶ steps, one after the other
platform, buckets ─▶ current┘   (a pure function)            (each can be repeated)

Nothing is remembered on this machine: every run reads the current state. So the next run completes
what an interrupted one left.
"""
