"""`rollcall doctor`: checks this installation, one part after another, with a remedy for each failure."""
