"""A district's past: what readers saw, and what was so as far as every pull kept tells it by today's rules."""
