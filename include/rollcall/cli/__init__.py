"""The `rollcall` command line. `main.py` lists the commands and the file of each."""
