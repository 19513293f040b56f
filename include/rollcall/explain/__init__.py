"""Why somebody is here or not, and what happened: one person's way from the provider to an account, in words."""
