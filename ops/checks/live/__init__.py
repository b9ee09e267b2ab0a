"""`repaint smoke`: send one small picture the whole way, and tell what the live services do.

key, metadata ──▶ bucket ──▶ event ──▶ function ──▶ veImageX
                                          │  └────▶ ledger: record ─────┐
                                          └───────▶ ledger: smoke/….json├──▶ report
of its own: refused and missing things, asked for from here ────────────┘
"""
