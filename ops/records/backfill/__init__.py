"""`repaint backfill`: repaint what is in a bucket already, or was missed.

    listing of the bucket ──▶ plan ◀── ids in the ledger        no request per object
                               │
                               ▼  asked, unless --yes
              threads ──▶ the functions' own pipeline ──▶ progress, summary

That nothing is paid for twice is the ledger's doing, not the plan's: a plan that is old, wrong or
lost costs a look at an object and never a payment. So it is made anew each time and thrown away.
"""

from ops.records.backfill.command import backfill

__all__ = ["backfill"]
