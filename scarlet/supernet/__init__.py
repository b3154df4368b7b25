"""The scalable supernet: its choices, its training, its file."""
