"""Files that Rollcall writes for people: private to its account, and safe in a spreadsheet."""
