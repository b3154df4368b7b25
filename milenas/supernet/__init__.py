"""The supernet of a differentiable search: operations, topologies, architecture weights, derivation."""
