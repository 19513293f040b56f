"""The landing zone: files and manifests that the stages of a run leave for each other."""
