"""Speed, measured side by side: what `make bench` runs."""
