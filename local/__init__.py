"""A small cloud on a laptop: object storage, veImageX and functions, on loopback only."""
