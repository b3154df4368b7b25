"""The commands of the house, one file per group: each parses, wires and runs."""
