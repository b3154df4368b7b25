"""EcoNAS: evolution that trains children cheaply and promotes the best to longer training (Zhou et al. 2020)."""
