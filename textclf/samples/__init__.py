"""The data set that ships, `sample:train`, `sample:dev` and `sample:test`, and the configs for it."""
