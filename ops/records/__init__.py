"""Records as operators meet them: found by what is known of them, and told in words."""
