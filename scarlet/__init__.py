"""SCARLET: a scalable supernet and a weighted, constrained search of its sub-networks (Chu et al. 2019)."""
