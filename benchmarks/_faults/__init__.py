"""Real faults: commands whose processes are killed, whose disks are full, whose files are damaged."""
