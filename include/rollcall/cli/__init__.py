"""`rollcall`'s commands, one file each; `include/rollcall/cli/main.py` lists them."""
