"""The operator's work on records: look them up, backfill, redrive, and show their pictures."""
