"""`repaint doctor`: checks of a deployment, each with a finding and how to fix it.

`doctor.py` is the command and lists the checks; `check.py` runs them concurrently; `client.py`
sends their requests. Each other module holds the checks of one subject. `live.py` is `--live`: one
picture through everything. What several checks share is thread-safe.
"""
