"""The state of each district: `rollcall status`, the morning digest, and urgent alerts."""
