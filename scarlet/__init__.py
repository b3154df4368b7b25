"""SCARLET (Chu et al., arXiv 1908.06022): a scalable supernet, its training, and searches on inherited weights."""
