"""How fast and how large: measurements, each a command of its own, none of them a test."""
