"""`repaint doctor`: is everything as it has to be, and if not, what to do.

```
command.py ──▶ plan.py ──▶ the checks, by subject: settings, access, reach, storage, conditions,
                  │        sqlite, imagex, trigger; each tells one finding
                  ▼
               checks.py   runs them side by side, what needs another after it
               wire.py     sends their requests, once each, within a time for all of them
```
"""
