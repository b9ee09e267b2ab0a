"""`repaint gallery`: before and after of the newest records, in one file that loads nothing."""
