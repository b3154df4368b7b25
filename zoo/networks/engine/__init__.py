"""The co-training engine: several cell networks as one program, forward and backward written out."""
