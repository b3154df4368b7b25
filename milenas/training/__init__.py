"""Training weights and architecture together: update rules, batches, checkpoints, monitors."""
