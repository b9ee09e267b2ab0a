"""`repaint backfill`: repaint the pictures of a bucket that have no image yet.

    listing of the bucket ──▶ plan ◀── ids in the ledger        no request per object
                               │
                               ▼  confirmed, or --yes
              threads ──▶ the functions' own pipeline ──▶ progress, summary

The ledger prevents that anything is paid for twice, not the plan: a plan that is old or wrong costs
a request for an object and never a payment. So it is made anew each time and thrown away.
"""
