"""From an event and an object's metadata to the instructions for its generation."""
