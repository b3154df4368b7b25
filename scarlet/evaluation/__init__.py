"""Accuracy of sub-networks on inherited weights."""
