"""The `textclf` command: one thin file a command over a function that a script can call."""
