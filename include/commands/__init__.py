"""`rollcall`'s commands, one file each; `include/cli.py` lists them."""
