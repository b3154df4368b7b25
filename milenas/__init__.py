"""Differentiable search: mixed operations, mixed-level optimisation (MiLeNAS), stretchable topology, derivation."""
