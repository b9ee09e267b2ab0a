"""The HTTP API: the same pipeline, for applications that want the result in the response.

All of it is thread-safe.
"""
