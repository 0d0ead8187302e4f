"""The commands, one module each; `command` in it is what the command line calls."""
