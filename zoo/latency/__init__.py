"""How long networks take on a device: measured whole, and predicted from a table of their blocks."""
