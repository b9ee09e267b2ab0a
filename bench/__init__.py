"""Measurements: this project and the obvious alternative, side by side on the same local cloud.

    part (cold, warm, …) ──▶ figures ──▶ .repaint/bench/<part>.json ──▶ docs/bench.md, SVG, READMEs
       │
       └── services (object storage and veImageX, which count) and processes that run a function

`python -m bench` measures; none of it is a test. `alternative/` has the function that Repaint is
compared with.
"""
