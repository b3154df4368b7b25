"""Inputs that are almost right: how they are made, and who must refuse them in order."""
