"""`repaint redrive`: run records again, on an operator's word.

    which ones ──▶ what was sent for them, what may be paid again ──▶ confirmed, or --yes
                                                                          │
        new records, each in the place of an old one  ◀───────────────────┘
             └──▶ threads ──▶ the functions' own pipeline, or with --later the sweep

An end record never changes, so what is run again is a record of its own (`processing.redrive`). Its
id follows from the old one's: however often a command is repeated, interrupted or run twice at
once, there is one.
"""
