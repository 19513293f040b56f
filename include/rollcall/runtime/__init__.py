"""The process a stage runs in: its memory."""
