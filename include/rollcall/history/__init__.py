"""A district's past: the published rosters, and the roster at a time as computed from all kept pulls by today's rules."""
