"""SCARLET's two kinds of runs: the training of a supernet, and the weighted search in it or on a table."""
