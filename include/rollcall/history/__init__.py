"""A district's past: published rosters, and the roster at a time, computed from all kept pulls by today's rules."""
