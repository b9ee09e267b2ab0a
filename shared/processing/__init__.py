"""What is done with an upload, at most once."""
