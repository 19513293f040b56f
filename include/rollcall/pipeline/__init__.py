"""A run from its plan to its publication: the stages in order, and the change set they agree on."""
