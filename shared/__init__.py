"""Everything the doors share. Ships in every function; imports neither `local` nor `ops`."""
