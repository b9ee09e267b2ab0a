"""What is asked for: from an event and an object's metadata to instructions."""
