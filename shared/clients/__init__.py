"""The services that are called; nothing here knows of uploads, the ledger or the settings.

All of it is thread-safe.
"""
