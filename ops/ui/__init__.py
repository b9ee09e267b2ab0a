"""What the operator sees of every command: output, progress, interruption, bulk runs."""
