"""What changes, person by person with the reason: what the next publish would do, or what two nights did."""
