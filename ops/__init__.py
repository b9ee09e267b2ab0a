"""The operator's commands: one, `repaint`, for those who run this on thousands of pictures."""
