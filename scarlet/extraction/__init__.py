"""Sub-networks as plain models, their skips folded away."""
