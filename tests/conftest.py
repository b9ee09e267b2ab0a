"""What every test gets."""

from hypothesis import settings

# A timed assertion fails on a busy machine, and says nothing about the code.
settings.register_profile("repaint", deadline=None)
settings.load_profile("repaint")
