"""`rollcall explain`: why a person is in the roster or not."""
