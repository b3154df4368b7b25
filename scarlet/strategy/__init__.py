"""The weighted, constrained NSGA-II, and what it measures networks with."""
